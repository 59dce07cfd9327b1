"""Random holes, drawn on the device inside the compiled step. 1 is hole, 0 is known.

``sample_masks`` draws a batch, the functions below it one mask; all are jittable. Image ``i`` of a
batch uses ``fold_in(key, first + i)``, so a batch split over devices draws the same masks as on one
device.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jax_inpaint.config import MaskConfig

Masks = Float[Array, "b h w 1"]


def sample_masks(
    key: PRNGKeyArray,
    batch: int,
    height: int,
    width: int,
    config: MaskConfig = MaskConfig(),  # noqa: B008 (frozen)
    first: int | Int[Array, ""] = 0,
) -> Masks:
    """Draws the masks that a configuration describes, float32.

    Args:
        key: decides everything; the same key gives the same masks on any number of devices.
        batch: number of masks.
        height, width: of the images, pixels.
        config: kind and sizes; the default is official DeepFillv2 training, scaled to the image.
        first: number of the first image in the global batch, where this is only a part of it.

    Example:
        >>> sample_masks(jax.random.key(0), 2, 64, 96).shape
        (2, 64, 96, 1)
    """
    samplers = {"union": union_mask, "brush": brush_mask, "box": box_mask}
    sample = partial(samplers[config.kind], height=height, width=width, config=config)
    if not config.per_image:
        return jnp.broadcast_to(sample(key), (batch, height, width, 1))
    keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(batch))
    return jax.vmap(sample)(keys)


def union_mask(
    key: PRNGKeyArray, height: int, width: int, config: MaskConfig
) -> Float[Array, "h w 1"]:
    """Box or brush: what DeepFillv2 trains with."""
    box_key, brush_key = jax.random.split(key)
    return jnp.maximum(
        box_mask(box_key, height, width, config), brush_mask(brush_key, height, width, config)
    )


def box_mask(
    key: PRNGKeyArray, height: int, width: int, config: MaskConfig
) -> Float[Array, "h w 1"]:
    """A rectangle at a random place, every side moved inwards by up to half the jitter.

    Source: official DeepFillv2 ``random_bbox`` and ``bbox2mask``.
    """
    keys = jax.random.split(key, 4)

    def side(place_key: PRNGKeyArray, jitter_key: PRNGKeyArray, size: int, box: int) -> Array:
        scale = _scale(size, config)
        length = min(max(1, round(box * scale)), size)
        margin = min(round(config.box_margin * scale), (size - length) // 2)
        jitter = min(round(config.box_jitter * scale), length - 1)
        # As official, the largest start is left out where there is room to.
        stop = max(size - length - margin, margin + 1)
        start = jax.random.randint(place_key, (), margin, stop)
        inset = jax.random.randint(jitter_key, (), 0, jitter // 2 + 1)
        position = jnp.arange(size)
        return (position >= start + inset) & (position < start + length - inset)

    rows = side(keys[0], keys[1], height, config.box_size[0])
    columns = side(keys[2], keys[3], width, config.box_size[1])
    return (rows[:, None] & columns[None, :]).astype(jnp.float32)[..., None]


def brush_mask(
    key: PRNGKeyArray, height: int, width: int, config: MaskConfig
) -> Float[Array, "h w 1"]:
    """Free-form brush strokes.

    Source: official DeepFillv2 ``brush_stroke_mask``; on images that aren't square the start point
    covers the whole image (there, height and width are swapped).
    """
    return draw_strokes(*brush_strokes(key, height, width, config), height, width)


def draw_strokes(
    points: Float[Array, "strokes points 2"],
    widths: Float[Array, " strokes"],
    height: int,
    width: int,
) -> Float[Array, "h w 1"]:
    """Draws what :func:`brush_strokes` returns.

    A pixel is hole if its centre is at most half the stroke's width away from one of the segments.
    """
    start, end = points[:, :-1].reshape(-1, 2), points[:, 1:].reshape(-1, 2)
    radius = jnp.repeat(widths / 2, points.shape[1] - 1)
    row = jnp.arange(height, dtype=jnp.float32)[:, None, None]
    column = jnp.arange(width, dtype=jnp.float32)[None, :, None]
    along = end - start
    length = jnp.maximum(jnp.sum(along**2, axis=-1), 1e-6)
    from_start = (column - start[:, 0], row - start[:, 1])
    share = (from_start[0] * along[:, 0] + from_start[1] * along[:, 1]) / length
    share = jnp.clip(share, 0, 1)
    distance = (from_start[0] - share * along[:, 0]) ** 2 + (
        from_start[1] - share * along[:, 1]
    ) ** 2
    inside = (distance <= radius**2) & (radius > 0)
    return jnp.any(inside, axis=-1).astype(jnp.float32)[..., None]


def brush_strokes(
    key: PRNGKeyArray, height: int, width: int, config: MaskConfig
) -> tuple[Float[Array, "strokes points 2"], Float[Array, " strokes"]]:
    """The vertices (x, y) and the width of each stroke, in pixels.

    All arrays have the largest possible size. A stroke with fewer segments repeats its last vertex;
    a stroke that isn't drawn has width -1.

    Directions alternate between two sides, turning by 2 pi / 5 give or take 2 pi / 15; lengths are
    normal with mean (image diagonal) / 8 and half that as deviation, cut to [0, twice the mean];
    vertices are whole pixels inside the image.
    """
    most_strokes, most_segments = config.strokes[1], config.vertices[1]
    count_key, stroke_key = jax.random.split(key)
    count = jax.random.randint(count_key, (), config.strokes[0], most_strokes + 1)
    scale = _scale(min(height, width), config)
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


def _scale(size: int, config: MaskConfig) -> float:
    return size / config.reference_size if config.reference_size else 1.0
