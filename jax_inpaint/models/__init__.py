"""Generators and discriminators, one architecture a file."""

import jax.numpy as jnp

from jax_inpaint.config import DiscriminatorConfig, GeneratorConfig
from jax_inpaint.models.deepfillv2 import DeepFillV2
from jax_inpaint.models.sn_patchgan import SNPatchGAN


def build_generator(config: GeneratorConfig) -> DeepFillV2:
    """The generator that a configuration describes."""
    return DeepFillV2(config.width, config.sketch, jnp.dtype(config.compute_dtype))


def build_discriminator(config: DiscriminatorConfig, generator: GeneratorConfig) -> SNPatchGAN:
    """The discriminator, computing in the generator's dtype."""
    return SNPatchGAN(config.width, jnp.dtype(generator.compute_dtype))
