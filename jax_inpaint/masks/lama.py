"""Wandering strokes of many published generators: LaMa's thin, medium and thick, and mmagic's."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.boxes import Boxes, random_boxes
from jax_inpaint.masks.drawing import Mask, draw_segments, pixel_scale, uniforms, whole_between


class Strokes(NamedTuple):
    """Wandering strokes; both bounds of each pair belong to it, sizes are in pixels."""

    number: tuple[int, int]
    directions: int  # a radian apart
    length: tuple[int, int]  # of a segment
    width: tuple[int, int]  # of a segment
    inside: bool = True  # vertices stay in the image


class Published(NamedTuple):
    """A published mixture of strokes and boxes for images with sides of ``side``."""

    side: int
    strokes: Strokes
    boxes: Boxes = Boxes((1, 1), (1, 1), 0)
    box_weight: float = 0.0  # beside a weight of 1 of the strokes


SEGMENTS = 5  # a stroke has one to this many

# LaMa's configs/data_gen/random_*.yaml, and for "wide" configs/training/data/abl-04-256-mh-dist.
# Its generator draws up to one stroke more than max_times says, and lengths and widths from 10 and
# 5 on, without their upper ends.
LAMA = {
    "thin": (
        Published(256, Strokes((4, 51), 4, (10, 49), (5, 14))),
        Published(512, Strokes((4, 71), 4, (10, 109), (5, 24))),
    ),
    "medium": (
        Published(256, Strokes((4, 6), 4, (10, 109), (5, 54)), Boxes((1, 5), (10, 50), 0), 0.3),
        Published(512, Strokes((4, 11), 4, (10, 209), (5, 104)), Boxes((1, 5), (30, 150), 0), 0.3),
    ),
    "thick": (
        Published(256, Strokes((1, 6), 4, (10, 209), (5, 104)), Boxes((1, 3), (30, 150), 10), 0.3),
        Published(512, Strokes((1, 6), 4, (10, 459), (5, 254)), Boxes((1, 4), (30, 300), 10), 0.3),
    ),
    "wide": (
        Published(256, Strokes((1, 6), 4, (10, 209), (5, 104)), Boxes((1, 4), (30, 150), 10), 1.0),
    ),
}

# configs/partial_conv and configs/deepfillv2 of mmagic; their bounds of coverage are 15 to 65 %.
IRREGULAR = Strokes((4, 9), 6, (20, 127), (10, 44), inside=False)


def lama_mask(
    key: PRNGKeyArray,
    height: int,
    width: int,
    config: MaskConfig,
    kind: Literal["thin", "medium", "thick", "wide"],
) -> Mask:
    """Strokes, or sometimes rectangles, as LaMa is trained and tested with.

    There are other numbers for images of 512 pixels than for 256; those count whose side is nearer
    to the image's shorter one, scaled to it.

    Source: LaMa ``MixedMaskGenerator``.
    """
    short = min(height, width)
    published = min(LAMA[kind], key=lambda candidate: abs(candidate.side - short))
    enlarged = published.side / 256 if config.reference_size else 1
    choice_key, stroke_key, box_key = jax.random.split(key, 3)
    scale = pixel_scale(short, config) / enlarged
    strokes = draw_segments(
        *wandering_strokes(stroke_key, published.strokes, height, width, scale), height, width
    )
    if not published.box_weight:
        return strokes
    scales = pixel_scale(height, config) / enlarged, pixel_scale(width, config) / enlarged
    boxes = random_boxes(box_key, published.boxes, height, width, scales)
    share = published.box_weight / (1 + published.box_weight)
    return jnp.where(jax.random.bernoulli(choice_key, share), boxes, strokes)


def irregular_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """Strokes that may leave the image.

    Source: mmagic ``random_irregular_mask``; on images that aren't square the start point covers
    the whole image (there, height and width are swapped).
    """
    scale = pixel_scale(min(height, width), config)
    start, end, widths = wandering_strokes(key, IRREGULAR, width, height, scale)
    return draw_segments(start[:, ::-1], end[:, ::-1], widths, height, width)


def wandering_strokes(
    key: PRNGKeyArray, strokes: Strokes, height: int, width: int, scale: float
) -> tuple[Float[Array, "n 2"], Float[Array, "n 2"], Float[Array, " n"]]:
    """Start and end (x, y) and width of each segment, in pixels; one that isn't drawn has width -1.

    A segment's angle to the vertical is 0, 1, 2, ... radians and a little, to the left in every
    other stroke and to the right in the rest.

    Args:
        key: decides everything.
        strokes: how many, how long, how wide.
        height, width: of the image.
        scale: what to multiply the pixels of ``strokes`` with.
    """
    most = strokes.number[1]
    number, by_stroke, by_segment = uniforms(key, (), (most, 3), (3, SEGMENTS, most))
    limits = jnp.array([width, height], jnp.float32)
    start = jnp.floor(by_stroke[:, :2] * limits)
    angle = 0.01 + whole_between(by_segment[0], 0, strokes.directions - 1)
    length = whole_between(by_segment[1], *strokes.length) * scale
    brush = jnp.maximum(whole_between(by_segment[2], *strokes.width) * scale, 1)
    side = jnp.where(jnp.arange(most) % 2 == 0, -1, 1)
    moves = length[..., None] * jnp.stack([side * jnp.sin(angle), jnp.cos(angle)], axis=-1)

    def next_vertices(vertices: Array, moves: Array) -> tuple[Array, tuple[Array, Array]]:
        ends = jnp.trunc(vertices + moves)
        ends = jnp.clip(ends, 0, limits) if strokes.inside else ends
        return ends, (vertices, ends)

    _, (starts, ends) = jax.lax.scan(next_vertices, start, moves)
    drawn = jnp.arange(most) < whole_between(number, *strokes.number)
    drawn &= jnp.arange(SEGMENTS)[:, None] < whole_between(by_stroke[:, 2], 1, SEGMENTS)
    widths = jnp.where(drawn, brush, -1.0)
    return starts.reshape(-1, 2), ends.reshape(-1, 2), widths.reshape(-1)
