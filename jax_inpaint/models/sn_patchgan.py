"""SN-PatchGAN: the spectrally normalised patch discriminator of DeepFillv2."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class SNPatchGAN(nn.Module):
    """Six 5x5 stride-2 convolutions; every value of the last map is one patch's logit.

    ``width=64`` on four channels has 5,946,816 parameters. LeakyReLU 0.2 follows every convolution,
    the last one too, as in the official code. This is a plain convolutional network: spectral norm
    is :func:`jax_inpaint.ops.spectral.spectral_normalize` applied to its parameters beforehand,
    once for real and fake images alike.

    Source: Yu et al., Free-Form Image Inpainting with Gated Convolution (2019), section 3.4.
    """

    width: int = 64
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Logits in float32, one for every patch and filter: (B, H / 64, W / 64, 4 * width).

        Args:
            x: image in [-1, 1] and mask (and sketch, if the generator takes one), concatenated.
        """
        conv = partial(
            nn.Conv,
            kernel_size=(5, 5),
            strides=2,
            padding="SAME",
            kernel_init=nn.initializers.glorot_uniform(),
            dtype=self.dtype,
        )
        w = self.width
        for number, features in enumerate([w, 2 * w, 4 * w, 4 * w, 4 * w, 4 * w], start=1):
            x = nn.leaky_relu(conv(features, name=f"conv{number}")(x), 0.2)
        return x.astype(jnp.float32)
