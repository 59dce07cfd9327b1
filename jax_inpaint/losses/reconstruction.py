"""Losses between a generated image and the photograph, one value per image."""

import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "b h w c"]


def l1(output: Images, target: Images) -> Float[Array, " b"]:
    """Mean absolute difference over the whole image, hole and known pixels alike.

    For images in [-1, 1] it lies in [0, 2]. Source: ``ae_loss`` of the official DeepFillv2 code.
    """
    return jnp.mean(jnp.abs(output.astype(jnp.float32) - target), axis=(1, 2, 3))
