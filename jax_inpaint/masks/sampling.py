"""Batches of masks of any kind, any mixture of kinds, and any bounds of coverage."""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jax_inpaint.config import DrawnKind, MaskConfig
from jax_inpaint.masks.boxes import box_mask, boxes_mask, center_mask, outpainting_mask
from jax_inpaint.masks.brush import brush_mask, union_mask
from jax_inpaint.masks.damage import fragments_mask, scratches_mask
from jax_inpaint.masks.drawing import Mask
from jax_inpaint.masks.lama import irregular_mask, lama_mask
from jax_inpaint.masks.walk import walk_mask
from jax_inpaint.masks.writing import graffiti_mask, text_mask

SAMPLERS: dict[DrawnKind, Callable[[PRNGKeyArray, int, int, MaskConfig], Mask]] = {
    "union": union_mask,
    "brush": brush_mask,
    "box": box_mask,
    "boxes": boxes_mask,
    "thin": partial(lama_mask, kind="thin"),
    "medium": partial(lama_mask, kind="medium"),
    "thick": partial(lama_mask, kind="thick"),
    "wide": partial(lama_mask, kind="wide"),
    "irregular": irregular_mask,
    "walk": walk_mask,
    "scratches": scratches_mask,
    "fragments": fragments_mask,
    "graffiti": graffiti_mask,
    "text": text_mask,
    "outpainting": outpainting_mask,
    "center": center_mask,
}

Masks = Float[Array, "b h w 1"]

ANY_COVERAGE = (0.0, 1.0)
REDRAWS = 12  # how often a mask out of bounds is drawn anew
OVERLAYS = 12  # how often more is drawn over one that is too small


def sample_masks(
    key: PRNGKeyArray,
    batch: int,
    height: int,
    width: int,
    config: MaskConfig = MaskConfig(),  # noqa: B008 (frozen)
    first: int | Int[Array, ""] = 0,
) -> Masks:
    """Draws the masks that a configuration describes, float32.

    The masks of a batch are drawn side by side; in a mixture that means every kind for every image,
    and with bounds of coverage as many redraws as the slowest image needs. On a CPU, where it would
    count, such masks are drawn one after the other, by the same rules.

    Args:
        key: decides everything; the same key gives the same masks on any number of devices.
        batch: number of masks.
        height, width: of the images, pixels.
        config: kind and sizes; the default is official DeepFillv2 training, scaled to the image.
        first: number of the first image in the global batch, where this is only a part of it.

    Raises:
        ValueError: for masks from a folder, which come with the images.

    Example:
        >>> sample_masks(jax.random.key(0), 2, 64, 96).shape
        (2, 64, 96, 1)
    """
    sample = partial(_sample_mask, height=height, width=width, config=config)
    if not config.per_image:
        return jnp.broadcast_to(sample(key), (batch, height, width, 1))
    keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(batch))
    if config.kind == "mixture" or config.coverage != ANY_COVERAGE:
        one_by_one = partial(jax.lax.map, sample)
        masks: Masks = jax.lax.platform_dependent(keys, cpu=one_by_one, default=jax.vmap(sample))
        return masks
    return jax.vmap(sample)(keys)


def _sample_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    if config.kind == "mixture":
        # Chosen once, so that bounds which suit one kind better don't change the shares of kinds.
        choice_key, key = jax.random.split(key)
        weights = jnp.array([weight for _, weight in config.mixture])
        chosen = jax.random.categorical(choice_key, jnp.log(weights))
        samplers = [SAMPLERS[kind] for kind, _ in config.mixture]
    elif config.kind == "folder":
        raise ValueError("masks of kind folder are read with the images, not drawn")
    else:
        chosen, samplers = jnp.array(0), [SAMPLERS[config.kind]]

    def draw(key: PRNGKeyArray) -> Mask:
        branches = [lambda key, s=s: s(key, height, width, config) for s in samplers]
        mask: Mask = jax.lax.switch(chosen, branches, key)
        return mask

    if config.coverage == ANY_COVERAGE:
        return draw(key)
    least, most = (share * height * width for share in config.coverage)
    # An image of few pixels may have no whole number between the bounds; the lower counts then.
    fewest = max(math.ceil(least), 1)
    return _draw_within(draw, key, (height, width, 1), fewest, max(math.floor(most), fewest))


def _draw_within(
    draw: Callable[[PRNGKeyArray], Mask],
    key: PRNGKeyArray,
    shape: tuple[int, int, int],
    least: int,
    most: int,
) -> Mask:
    """A mask with between ``least`` and ``most`` hole pixels, whatever the key.

    A mask out of bounds is drawn anew, as in the published samplers. If that doesn't help often
    enough, more masks are laid over one that is too small; and in the end pixels are added or taken
    away from the top downwards, exactly as many as it needs.
    """

    def error(mask: Mask) -> Array:
        size = jnp.sum(mask)
        return jnp.maximum(jnp.maximum(least - size, size - most), 0)

    def out_of_bounds(state: tuple[Mask, Array]) -> Array:
        mask, attempt = state
        return (error(mask) > 0) & (attempt <= REDRAWS + OVERLAYS)

    def again(state: tuple[Mask, Array]) -> tuple[Mask, Array]:
        mask, attempt = state
        new = draw(jax.random.fold_in(key, attempt))
        over = (attempt > REDRAWS) & (jnp.sum(mask) < least)
        new = jnp.where(over, jnp.maximum(mask, new), new)
        better = (attempt == 0) | (error(new) < error(mask))
        return jnp.where(better, new, mask), attempt + 1

    nothing_yet = jnp.zeros(shape), jnp.array(0)
    mask, _ = jax.lax.while_loop(out_of_bounds, again, nothing_yet)
    return _fit(mask, least, most)


def _fit(mask: Mask, least: int, most: int) -> Mask:
    """Fills known pixels, or takes hole pixels away, from the top until the size is in bounds."""
    hole = mask.reshape(-1) > 0
    size, holes = jnp.sum(hole), jnp.cumsum(hole)
    known = jnp.arange(1, hole.size + 1) - holes
    hole = jnp.where(hole, holes > size - most, known <= least - size)
    return hole.reshape(mask.shape).astype(jnp.float32)
