"""SN-PatchGAN: the spectrally normalised patch discriminator of DeepFillv2."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import WIDEST, DiscriminatorConfig, require_counts
from jax_inpaint.layers.convolution import Conv


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
    def __call__(
        self,
        image: Float[Array, "b h w 3"],
        mask: Float[Array, "b h w 1"],
        sketch: Float[Array, "b h w 1"] | None = None,
    ) -> dict[str, Any]:
        """Judges images in [-1, 1] together with the mask, and the sketch if there is one.

        Returns:
            ``logits``: one float32 map, (B, H / 64, W / 64, 4 * width); ``features``: the maps
            before it.
        """
        conv = partial(
            Conv,
            kernel_size=5,
            stride=2,
            padding="same",
            activation=partial(nn.leaky_relu, negative_slope=0.2),
            dtype=self.dtype,
        )
        w = self.width
        x = jnp.concatenate([image, mask] if sketch is None else [image, mask, sketch], axis=-1)
        maps = []
        for number, features in enumerate([w, 2 * w, 4 * w, 4 * w, 4 * w, 4 * w], start=1):
            x = conv(features, name=f"conv{number}")(x)
            maps.append(x.astype(jnp.float32))
        return {"logits": (maps[-1],), "features": tuple(maps[:-1])}


@dataclass(frozen=True)
class SNPatchGANConfig(DiscriminatorConfig):
    """The SN-PatchGAN discriminator of DeepFillv2."""

    architecture: ClassVar[str] = "sn_patchgan"
    width: int = 64  # channels of the first layer; 64 is the paper's

    def __post_init__(self) -> None:
        require_counts("discriminator", self, width=WIDEST)

    def normalizes(self, path: tuple[str, ...]) -> bool:
        """All kernels."""
        return True

    def build(self, dtype: DTypeLike, axis_name: str | None = None) -> SNPatchGAN:
        """The network."""
        del axis_name
        return SNPatchGAN(self.width, dtype)
