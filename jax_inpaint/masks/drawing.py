"""Lines, rectangles and polygons drawn on the device, exactly, 32 pixels at a time.

A convex shape meets a column of pixels in one interval. Until all shapes are drawn, pixels are
bits: a number holds 32 of a column, and a tile of 32 by 32 pixels is 32 numbers side by side. One
shape after the other is laid over the tiles that it reaches, so hundreds of them need little more
memory than one.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray, UInt32

from jax_inpaint.config import MaskConfig

Mask = Float[Array, "h w 1"]
Bits = UInt32[Array, "down across 32"]
Limits = tuple[Num[Array, " n"], Num[Array, " n"]]

_TILE = 32  # pixels, and bits of a number
_ROUNDING = 1e-3  # pixels; what is drawn to a pixel's centre includes it on every device
_UPRIGHT = 1e-12  # how far the ends of an upright segment are apart sideways, pixels


class Spans(NamedTuple):
    """What each of n shapes covers of every column of an image.

    These are the rows from ``first`` up to ``stop``, without the latter, in the tiles that are
    ``reached`` and no others.
    """

    first: Int[Array, "n across 32"]
    stop: Int[Array, "n across 32"]
    reached: Bool[Array, "n down across"]


def draw_segments(
    start: Float[Array, "n 2"],
    end: Float[Array, "n 2"],
    widths: Float[Array, " n"],
    height: int,
    width: int,
) -> Mask:
    """Draws straight lines with round ends.

    A pixel is hole if its centre is at most half a line's width away from it.

    Args:
        start, end: of each line, (x, y) in pixels; they may be outside the image.
        widths: in pixels; a line of width 0 or less isn't drawn.
        height, width: of the image.
    """
    return draw_spans([segment_spans(start, end, widths, height, width)], height, width)


def draw_strokes(
    points: Float[Array, "strokes points 2"],
    widths: Float[Array, " strokes"],
    height: int,
    width: int,
) -> Mask:
    """Draws polylines as :func:`draw_segments` does; one of width 0 or less isn't drawn."""
    return draw_spans([stroke_spans(points, widths, height, width)], height, width)


def draw_boxes(rows: Limits, columns: Limits, height: int, width: int) -> Mask:
    """Draws rectangles.

    Args:
        rows: first row of each, and the row after its last; an empty one isn't drawn.
        columns: the same of columns.
        height, width: of the image.
    """
    return draw_spans([box_spans(rows, columns, height, width)], height, width)


def draw_polygons(
    vertices: Float[Array, "polygons points 2"],
    drawn: Bool[Array, " polygons"],
    height: int,
    width: int,
) -> Mask:
    """Fills polygons (x, y) by the even-odd rule; they close by themselves.

    Args:
        vertices: in pixels; they may be outside the image.
        drawn: which of the polygons to draw.
        height, width: of the image.
    """

    def draw(bits: Bits, polygon: tuple[Array, Array]) -> tuple[Bits, None]:
        vertices, drawn = polygon
        # Inside is what is below an odd number of edges.
        edges = _below_edges(vertices, height, width)
        inside = _lay(edges, _nothing(height, width), jnp.bitwise_xor)
        return jnp.where(drawn, bits | inside, bits), None

    bits, _ = jax.lax.scan(draw, _nothing(height, width), (vertices, drawn))
    return _pixels(bits, height, width)


def draw_spans(parts: Sequence[Spans], height: int, width: int) -> Mask:
    """Draws all that the following functions return."""
    bits = _nothing(height, width)
    for spans in parts:
        bits = _lay(spans, bits, jnp.bitwise_or)
    return _pixels(bits, height, width)


def segment_spans(
    start: Float[Array, "n 2"],
    end: Float[Array, "n 2"],
    widths: Float[Array, " n"],
    height: int,
    width: int,
) -> Spans:
    """What :func:`draw_segments` draws."""
    radius = widths[:, None] / 2 + _ROUNDING
    low, high = jnp.minimum(start, end) - radius, jnp.maximum(start, end) + radius
    reached = _reached(low, high, height, width) & (widths > 0)[:, None, None]
    (x, y), (dx, dy), radius = _coordinates(start), _coordinates(end - start), radius[..., None]
    dx = jnp.where(jnp.abs(dx) < _UPRIGHT, _UPRIGHT, dx)
    per_pixel = 1 / dx
    beside = _columns(width) - x
    # A line is the discs along it. Of all that meet a column, the centre of the one that reaches
    # furthest up is so far beside the column, or it is the end that comes nearest to that.
    # Downwards it is the other side.
    aside = jnp.sign(dx) * radius * dy / jnp.sqrt(dx**2 + dy**2)
    # Counted from a whole row, mirrored lines between whole pixels are mirrored bit for bit.
    row = jnp.floor(y)

    def furthest(aside: Array) -> tuple[Array, Array]:
        """The centre of a disc, and what it covers of the column above and below."""
        share = jnp.clip((beside - aside) * per_pixel, 0, 1)
        square = radius**2 - (beside - share * dx) ** 2
        reach = jnp.where(square >= 0, jnp.sqrt(jnp.maximum(square, 0)), -jnp.inf)
        return y - row + share * dy, reach

    (upper, up), (lower, down) = furthest(aside), furthest(-aside)
    first, stop = row + jnp.ceil(upper - up), row + jnp.floor(lower + down) + 1
    # Beside the line, a CPU skips the above.
    near = jnp.any(reached, axis=1)[..., None]
    return Spans(
        jnp.where(near, _rows(first, height), 0), jnp.where(near, _rows(stop, height), 0), reached
    )


def stroke_spans(
    points: Float[Array, "strokes points 2"],
    widths: Float[Array, " strokes"],
    height: int,
    width: int,
) -> Spans:
    """What :func:`draw_strokes` draws."""
    start, end = points[:, :-1].reshape(-1, 2), points[:, 1:].reshape(-1, 2)
    return segment_spans(start, end, jnp.repeat(widths, points.shape[1] - 1), height, width)


def box_spans(rows: Limits, columns: Limits, height: int, width: int) -> Spans:
    """What :func:`draw_boxes` draws."""
    low, high = (jnp.stack(corner, axis=-1) for corner in zip(columns, rows, strict=True))
    (left, top), (right, bottom) = _coordinates(low), _coordinates(high)
    column = _columns(width)
    bottom = jnp.where((left <= column) & (column < right), bottom, 0)
    top = jnp.broadcast_to(top, bottom.shape)
    return Spans(_rows(top, height), _rows(bottom, height), _reached(low, high, height, width))


def uniforms(key: PRNGKeyArray, *shapes: tuple[int, ...]) -> list[Float[Array, "..."]]:
    """Random numbers in [0, 1) of each shape, in one draw, for every draw takes long to compile."""
    sizes = [math.prod(shape) for shape in shapes]
    numbers = jax.random.uniform(key, (sum(sizes),))
    parts = jnp.split(numbers, list(itertools.accumulate(sizes[:-1])))
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def between(
    uniform: Float[Array, "*n"], low: float | Array, high: float | Array
) -> Float[Array, "*n"]:
    """Numbers in [low, high) from numbers in [0, 1)."""
    return low + uniform * (high - low)


def whole_between(
    uniform: Float[Array, "*n"], low: int | Array, high: int | Array
) -> Int[Array, "*n"]:
    """Whole numbers in [low, high] from numbers in [0, 1)."""
    # Added afterwards, for the sum could be rounded up to high + 1.
    return low + jnp.floor(uniform * (high + 1 - low)).astype(jnp.int32)


def pixel_scale(size: int, config: MaskConfig) -> float:
    """What to multiply a configuration's pixels with for a side of ``size`` pixels."""
    return size / config.reference_size if config.reference_size else 1.0


def _below_edges(vertices: Float[Array, "n 2"], height: int, width: int) -> Spans:
    """All that is below each edge of a polygon."""
    following = jnp.roll(vertices, -1, axis=0)
    (x, y), (end_x, end_y) = _coordinates(vertices), _coordinates(following)
    column = _columns(width)
    slope = (end_y - y) / jnp.where(end_x == x, 1.0, end_x - x)
    crosses = (x <= column) != (end_x <= column)
    first = jnp.where(crosses, jnp.ceil(y + slope * (column - x)), jnp.inf)
    stop = jnp.full_like(first, jnp.inf)
    low, high = jnp.minimum(vertices, following), jnp.maximum(vertices, following)
    reached = _reached(low, high.at[:, 1].set(height), height, width)
    return Spans(_rows(first, height), _rows(stop, height), reached)


def _coordinates(points: Array) -> tuple[Array, Array]:
    """x and y of points (n, 2), to be used with columns."""
    return points[:, 0, None, None], points[:, 1, None, None]


def _columns(width: int) -> Array:
    """Numbers of an image's columns, float32 (across, 32)."""
    # Not counted in float32, which a CPU does one by one.
    return jnp.arange(_TILE * _tiles(width)).astype(jnp.float32).reshape(-1, _TILE)


def _rows(position: Array, height: int) -> Array:
    return jnp.clip(position, 0, _TILE * _tiles(height)).astype(jnp.int32)


def _tiles(size: int) -> int:
    return -(-size // _TILE)


def _reached(low: Array, high: Array, height: int, width: int) -> Bool[Array, "n down across"]:
    """Which tiles the rectangles between two corners (n, 2) meet, or nearly."""

    def meets(axis: int, size: int) -> Array:
        first = _TILE * jnp.arange(_tiles(size))
        return (high[:, axis, None] >= first) & (low[:, axis, None] < first + _TILE)

    return meets(1, height)[:, :, None] & meets(0, width)[:, None]


def _nothing(height: int, width: int) -> Bits:
    return jnp.zeros((_tiles(height), _tiles(width), _TILE), jnp.uint32)


def _lay(spans: Spans, bits: Bits, combine: Callable[[Array, Array], Array]) -> Bits:
    """Combines the bits of one shape after the other with what is there."""
    top = _TILE * jnp.arange(bits.shape[0])[:, None, None]

    def from_row(row: Array) -> Array:
        """The bits of this row and of all below it."""
        return jnp.uint32(2**_TILE - 1) << jnp.maximum(row - top, 0).astype(jnp.uint32)

    def lay(i: Array, bits: Array) -> Array:
        # A scan would move the shapes of a batch in front of its images.
        shape = Spans(*(jax.lax.dynamic_index_in_dim(part, i, keepdims=False) for part in spans))
        drawn = combine(bits, from_row(shape.first) & ~from_row(shape.stop))
        return jnp.where(shape.reached[..., None], drawn, bits)

    return jax.lax.fori_loop(0, len(spans.first), lay, bits)


def _pixels(bits: Bits, height: int, width: int) -> Mask:
    down, across, _ = bits.shape
    bit = jnp.arange(_TILE, dtype=jnp.uint32)[:, None, None]
    hole = (bits[:, None] >> bit & 1).reshape(_TILE * down, _TILE * across)
    return jnp.where(hole[:height, :width, None] != 0, 1.0, 0.0)
