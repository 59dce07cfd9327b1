"""Edges of photographs, for sketch-guided training."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def sobel_edges(image: Float[Array, "b h w 3"], threshold: float = 1.5) -> Float[Array, "b h w 1"]:
    """1 where the brightness of an image in [-1, 1] changes strongly, 0 elsewhere.

    The length of the Sobel gradient of the channels' mean, compared with ``threshold``; a step from
    black to white has length 8, and the border repeats outwards. It stands in for the HED edges of
    the official code, which a network of its own finds beforehand.
    """
    grey = jnp.pad(jnp.mean(image, axis=-1), ((0, 0), (1, 1), (1, 1)), mode="edge")
    vertical = grey[:, 2:] - grey[:, :-2]
    horizontal = grey[:, :, 2:] - grey[:, :, :-2]
    dy = vertical[:, :, :-2] + 2 * vertical[:, :, 1:-1] + vertical[:, :, 2:]
    dx = horizontal[:, :-2] + 2 * horizontal[:, 1:-1] + horizontal[:, 2:]
    return (jnp.hypot(dx, dy) > threshold).astype(jnp.float32)[..., None]
