"""Sketches to train with, drawn inside the compiled step."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jax_inpaint.config import SketchConfig
from jax_inpaint.ops.edges import canny_edges


def sketches(
    images: Float[Array, "b h w 3"], masks: Float[Array, "b h w 1"], config: SketchConfig
) -> Float[Array, "b h w 1"]:
    """1 on the edges of images in [-1, 1] that lie in the hole."""
    find = partial(canny_edges, sigma=config.sigma, low=config.low, high=config.high)
    return jax.vmap(find)(images) * masks


def training_sketches(
    key: PRNGKeyArray,
    images: Float[Array, "b h w 3"],
    masks: Float[Array, "b h w 1"],
    config: SketchConfig,
    first: int | Int[Array, ""] = 0,
) -> Float[Array, "b h w 1"]:
    """The same, all 0 for a share ``config.left_out`` of the images.

    Args:
        key: decides which; the same key leaves out the same ones on any number of devices.
        images: in [-1, 1].
        masks: 1 in the hole.
        config: how edges are found.
        first: number of the first image in the global batch, where this is only a part of it.
    """
    drawn = sketches(images, masks, config)
    if not config.left_out:
        return drawn
    keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(len(images)))
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - config.left_out))(keys)
    return drawn * kept[:, None, None, None]
