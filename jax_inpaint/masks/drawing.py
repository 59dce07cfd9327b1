"""Lines, rectangles and polygons drawn on the device, exactly and in little memory.

A convex shape meets a row of pixels in one interval, so a segment costs two comparisons a pixel
once the intervals of its rows are known; and segments are drawn one after the other, so hundreds
of them need no more memory than one.
"""

import itertools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from jax_inpaint.config import MaskConfig

Mask = Float[Array, "h w 1"]

_NOWHERE = 1e9  # where an interval begins that no pixel is in
_ROUNDING = 1e-3  # pixels; what is drawn to a pixel's centre includes it on every device
_UNROLL = 4  # shapes drawn by one kernel


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
    left, right = _row_intervals(start, end, widths / 2 + _ROUNDING, height)
    left = jnp.where(widths[:, None] > 0, left, _NOWHERE)
    column = jnp.arange(width, dtype=jnp.float32)

    def inside(interval: tuple[Array, Array]) -> Array:
        return (column >= interval[0][:, None]) & (column <= interval[1][:, None])

    def draw(mask: Array, interval: tuple[Array, Array]) -> tuple[Array, None]:
        return mask | inside(interval), None

    mask, _ = jax.lax.scan(draw, inside((left[0], right[0])), (left[1:], right[1:]), unroll=_UNROLL)
    return mask.astype(jnp.float32)[..., None]


def draw_strokes(
    points: Float[Array, "strokes points 2"],
    widths: Float[Array, " strokes"],
    height: int,
    width: int,
) -> Mask:
    """Draws polylines as :func:`draw_segments` does; one of width 0 or less isn't drawn."""
    start, end = points[:, :-1].reshape(-1, 2), points[:, 1:].reshape(-1, 2)
    return draw_segments(start, end, jnp.repeat(widths, points.shape[1] - 1), height, width)


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
    start, end = vertices, jnp.roll(vertices, -1, axis=1)
    row = jnp.arange(height, dtype=jnp.float32)
    above = start[..., 1:] <= row  # of the edge's start, for each row
    crosses = above != (end[..., 1:] <= row)
    slope = (end[..., 0] - start[..., 0]) / _nonzero(end[..., 1] - start[..., 1])
    crossing = start[..., :1] + slope[..., None] * (row - start[..., 1:])
    crossing = jnp.where(crosses & drawn[:, None, None], crossing, -_NOWHERE)
    column = jnp.arange(width, dtype=jnp.float32)

    def left_of(crossing: Array) -> Array:
        return column < crossing[:, None]

    def cross(inside: Array, crossing: Array) -> tuple[Array, None]:
        return inside ^ left_of(crossing), None

    def fill(crossing: Array) -> Array:
        return jax.lax.scan(cross, left_of(crossing[0]), crossing[1:], unroll=_UNROLL)[0]

    def draw(mask: Array, crossing: Array) -> tuple[Array, None]:
        return mask | fill(crossing), None

    mask, _ = jax.lax.scan(draw, fill(crossing[0]), crossing[1:])
    return mask.astype(jnp.float32)[..., None]


def draw_boxes(
    rows: tuple[Num[Array, " n"], Num[Array, " n"]],
    columns: tuple[Num[Array, " n"], Num[Array, " n"]],
    height: int,
    width: int,
) -> Mask:
    """Draws rectangles.

    Args:
        rows: first row of each, and the row after its last; an empty one isn't drawn.
        columns: the same of columns.
        height, width: of the image.
    """

    def within(limits: tuple[Array, Array], size: int) -> Array:
        position = jnp.arange(size)
        inside = (position >= limits[0][:, None]) & (position < limits[1][:, None])
        return inside.astype(jnp.float32)

    count = jnp.einsum("nh,nw->hw", within(rows, height), within(columns, width))
    return (count > 0).astype(jnp.float32)[..., None]


def flip_randomly(key: PRNGKeyArray, mask: Mask) -> Mask:
    """Mirrors half of the masks left to right and, independently, half top to bottom."""
    sideways, upside_down = jax.random.bernoulli(key, shape=(2,))
    mask = jnp.where(sideways, mask[:, ::-1], mask)
    return jnp.where(upside_down, mask[::-1], mask)


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


def _row_intervals(
    start: Float[Array, "n 2"],
    end: Float[Array, "n 2"],
    radius: Float[Array, " n"],
    height: int,
) -> tuple[Float[Array, "n h"], Float[Array, "n h"]]:
    """First and last x, of each row, of the pixels around a segment: two discs and a rectangle."""
    row = jnp.arange(height, dtype=jnp.float32)
    radius, x = radius[:, None], start[:, :1]
    below = row - start[:, 1:]
    dx, dy = end[:, :1] - x, end[:, 1:] - start[:, 1:]
    square = dx**2 + dy**2

    def disc(point: Array) -> tuple[Array, Array]:
        chord = radius**2 - (row - point[:, 1:]) ** 2
        reach = jnp.where(chord >= 0, jnp.sqrt(jnp.maximum(chord, 0)), -_NOWHERE)
        return point[:, :1] - reach, point[:, :1] + reach

    def between(slope: Array, offset: Array, low: Array, high: Array) -> tuple[Array, Array]:
        """Where ``low <= slope * x + offset <= high``."""
        flat = jnp.where((low <= offset) & (offset <= high), _NOWHERE, -_NOWHERE)
        a, b = (low - offset) / _nonzero(slope), (high - offset) / _nonzero(slope)
        first = jnp.where(slope == 0, -flat, jnp.minimum(a, b))
        return first, jnp.where(slope == 0, flat, jnp.maximum(a, b))

    # The rectangle: no further along than the ends, and no further aside than the radius.
    along = between(dx, below * dy, jnp.zeros_like(square), square)
    reach = radius * jnp.sqrt(square)
    aside = between(dy, -below * dx, -reach, reach)
    first, last = jnp.maximum(along[0], aside[0]), jnp.minimum(along[1], aside[1])
    meets = (first <= last) & (square > 0)
    intervals = [
        disc(start),
        disc(end),
        (jnp.where(meets, x + first, _NOWHERE), jnp.where(meets, x + last, -_NOWHERE)),
    ]
    left, right = zip(*intervals, strict=True)
    return jnp.stack(left).min(axis=0), jnp.stack(right).max(axis=0)


def _nonzero(divisor: Array) -> Array:
    return jnp.where(divisor == 0, 1.0, divisor)
