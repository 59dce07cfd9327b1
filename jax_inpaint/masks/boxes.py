"""Rectangles: one, several, and bands along the border."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.drawing import (
    Mask,
    Spans,
    between,
    box_spans,
    draw_boxes,
    draw_spans,
    pixel_scale,
    uniforms,
    whole_between,
)


class Boxes(NamedTuple):
    """A number of rectangles; both bounds of each pair belong to it, sizes are in pixels."""

    number: tuple[int, int]
    sides: tuple[int, int]
    margin: int


SEVERAL = Boxes(number=(1, 5), sides=(32, 128), margin=0)
BAND = (0.04, 0.25)  # thinnest and thickest outpainting band, share of the side it lies across


def box_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """A rectangle at a random place, every side moved inwards by up to half the jitter.

    Source: official DeepFillv2 ``random_bbox`` and ``bbox2mask``.
    """
    return draw_spans([one_box(key, height, width, config)], height, width)


def one_box(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Spans:
    """What :func:`box_mask` draws."""
    keys = jax.random.split(key, 4)

    def side(
        place_key: PRNGKeyArray, jitter_key: PRNGKeyArray, size: int, box: int
    ) -> tuple[Array, Array]:
        scale = pixel_scale(size, config)
        length = min(max(1, round(box * scale)), size)
        margin = min(round(config.box_margin * scale), (size - length) // 2)
        jitter = min(round(config.box_jitter * scale), length - 1)
        # As official, the largest start is left out where there is room to.
        stop = max(size - length - margin, margin + 1)
        start = jax.random.randint(place_key, (1,), margin, stop)
        inset = jax.random.randint(jitter_key, (1,), 0, jitter // 2 + 1)
        return start + inset, start + length - inset

    rows = side(keys[0], keys[1], height, config.box_size[0])
    columns = side(keys[2], keys[3], width, config.box_size[1])
    return box_spans(rows, columns, height, width)


def boxes_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """One to five rectangles anywhere, with sides between an eighth and half of the image's."""
    scales = pixel_scale(height, config), pixel_scale(width, config)
    return random_boxes(key, SEVERAL, height, width, scales)


def outpainting_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """Bands along the sides of the image, each with probability 1/2, but at least one.

    Source: LaMa ``OutpaintingMaskGenerator``: a band is between 4 and 25 % of the image wide.
    """
    del config  # bands are shares of the image
    share, chance = uniforms(key, (4,), (4,))
    sizes = jnp.array([height, height, width, width])
    band = jnp.maximum(jnp.round(between(share, *BAND) * sizes), 1)
    band = jnp.where((chance < 0.5) | (chance == jnp.min(chance)), band, 0)
    top, bottom, left, right = band
    row, column = jnp.arange(height), jnp.arange(width)
    rows = (row < top) | (row >= height - bottom)
    columns = (column < left) | (column >= width - right)
    return (rows[:, None] | columns).astype(jnp.float32)[..., None]


def center_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """A box in the middle of the image, half as high and wide, always the same.

    Source: Pathak et al., Context Encoders (2016), whose tables use it.
    """
    del key, config
    rows, columns = jnp.arange(height), jnp.arange(width)
    top, left = (height - height // 2) // 2, (width - width // 2) // 2
    inside = (
        (rows[:, None] >= top)
        & (rows[:, None] < top + height // 2)
        & (columns >= left)
        & (columns < left + width // 2)
    )
    return inside.astype(jnp.float32)[..., None]


def random_boxes(
    key: PRNGKeyArray, boxes: Boxes, height: int, width: int, scales: tuple[float, float]
) -> Mask:
    """Rectangles of independent sizes and places, all inside the image.

    Args:
        key: decides everything.
        boxes: how many, how large.
        height, width: of the image.
        scales: what to multiply the pixels of ``boxes`` with, downwards and across.
    """
    most = boxes.number[1]
    number, by_side = uniforms(key, (), (2, 2, most))
    drawn = jnp.arange(most) < whole_between(number, *boxes.number)

    def side(uniform: Array, size: int, scale: float) -> tuple[Array, Array]:
        margin = min(round(boxes.margin * scale), (size - 1) // 2)
        low, high = (min(max(1, round(b * scale)), size - 2 * margin) for b in boxes.sides)
        length = whole_between(uniform[0], low, high)
        start = whole_between(uniform[1], margin, size - margin - length)
        return start, start + length

    rows, columns = side(by_side[0], height, scales[0]), side(by_side[1], width, scales[1])
    rows = rows[0], jnp.where(drawn, rows[1], 0)
    return draw_boxes(rows, columns, height, width)
