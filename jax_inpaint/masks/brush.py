"""DeepFillv2's masks: a free-form brush, and a box (see boxes.py) with it."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.boxes import one_box
from jax_inpaint.masks.drawing import Mask, Spans, draw_spans, pixel_scale, stroke_spans


def union_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """Box or brush: what DeepFillv2 trains with."""
    box_key, brush_key = jax.random.split(key)
    box = one_box(box_key, height, width, config)
    return draw_spans([box, _strokes(brush_key, height, width, config)], height, width)


def brush_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """Free-form brush strokes, mirrored at random in both directions.

    Source: official DeepFillv2 ``brush_stroke_mask``; there the mirrored masks are thrown away, so
    that all strokes wander to the right. On images that aren't square the start point covers the
    whole image (there, height and width are swapped).
    """
    return draw_spans([_strokes(key, height, width, config)], height, width)


def _strokes(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Spans:
    flip_key, stroke_key = jax.random.split(key)
    points, widths = brush_strokes(stroke_key, height, width, config)
    mirrored = jnp.array([width - 1, height - 1]) - points
    points = jnp.where(jax.random.bernoulli(flip_key, shape=(2,)), mirrored, points)
    return stroke_spans(points, widths, height, width)


def brush_strokes(
    key: PRNGKeyArray, height: int, width: int, config: MaskConfig
) -> tuple[Float[Array, "strokes points 2"], Float[Array, " strokes"]]:
    """The vertices (x, y) and the width of each stroke, in pixels, before they are mirrored.

    All arrays have the largest possible size. A stroke with fewer segments repeats its last vertex;
    a stroke that isn't drawn has width -1.

    Directions alternate between two sides, turning by 2 pi / 5 give or take 2 pi / 15; lengths are
    normal with mean (image diagonal) / 8 and half that as deviation, cut to [0, twice the mean];
    vertices are whole pixels inside the image.
    """
    most_strokes, most_segments = config.strokes[1], config.vertices[1]
    count_key, stroke_key = jax.random.split(key)
    count = jax.random.randint(count_key, (), config.strokes[0], most_strokes + 1)
    scale = pixel_scale(min(height, width), config)
    limits = jnp.array([width, height], jnp.float32)
    mean_length = math.hypot(height, width) / 8

    def stroke(key: PRNGKeyArray) -> tuple[Array, Array]:
        keys = jax.random.split(key, 7)
        segments = jax.random.randint(keys[0], (), config.vertices[0], most_segments + 1)
        mean_angle, spread = 2 * math.pi / 5, 2 * math.pi / 15
        least = mean_angle - jax.random.uniform(keys[1], (), maxval=spread)
        most = mean_angle + jax.random.uniform(keys[2], (), maxval=spread)
        angle = jax.random.uniform(keys[3], (most_segments,), minval=least, maxval=most)
        angle = jnp.where(jnp.arange(most_segments) % 2 == 0, 2 * math.pi - angle, angle)
        length = mean_length + (mean_length // 2) * jax.random.normal(keys[4], (most_segments,))
        length = jnp.clip(length, 0, 2 * mean_length)
        length = jnp.where(jnp.arange(most_segments) < segments, length, 0)
        moves = length[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        first = jnp.floor(jax.random.uniform(keys[5], (2,)) * limits)

        def next_vertex(vertex: Array, move: Array) -> tuple[Array, Array]:
            vertex = jnp.floor(jnp.clip(vertex + move, 0, limits))
            return vertex, vertex

        _, others = jax.lax.scan(next_vertex, first, moves)
        low, high = (bound * scale for bound in config.brush_width)
        brush = jax.random.uniform(keys[6], (), minval=low, maxval=high)
        return jnp.concatenate([first[None], others]), jnp.maximum(jnp.floor(brush), 1)

    points, widths = jax.vmap(stroke)(jax.random.split(stroke_key, most_strokes))
    return points, jnp.where(jnp.arange(most_strokes) < count, widths, -1.0)
