"""Adversarial losses on discriminator logits, one value per image."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Logits = Float[Array, "b ..."]


def hinge_discriminator(real: Logits, fake: Logits) -> Float[Array, " b"]:
    """``0.5 relu(1 - real) + 0.5 relu(1 + fake)``, averaged over each image's patches.

    1 at chance (all logits 0), 0 when the discriminator is sure and right. Source: the official
    DeepFillv2 code, with its halves; Lim and Ye, Geometric GAN (2017).
    """
    return 0.5 * _per_image(jax.nn.relu(1 - real)) + 0.5 * _per_image(jax.nn.relu(1 + fake))


def hinge_generator(fake: Logits) -> Float[Array, " b"]:
    """``-fake``, averaged over each image's patches."""
    return -_per_image(fake)


def _per_image(values: Logits) -> Float[Array, " b"]:
    return jnp.mean(values, axis=tuple(range(1, values.ndim)))
