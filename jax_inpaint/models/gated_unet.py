"""A gated U-Net with instance norm: free-form inpainting in a single stage."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import WIDEST, GeneratorConfig, require_counts
from jax_inpaint.layers.gated import GatedConv, GatedTransposedConv, GatedUpsample, ToImage
from jax_inpaint.layers.normalization import instance_norm
from jax_inpaint.models.sizes import require_multiples

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]
Upsampling = Literal["transposed", "resize"]


class GatedUNet(nn.Module):
    """Gated encoder, four dilated layers, gated decoder; ``width=64`` has 7,525,187 parameters.

    ``upsampling="resize"`` doubles the size by nearest neighbour and a 3x3 convolution instead of a
    4x4 transposed one (6,951,747 parameters).

    This is the family of single-stage networks with which public ports train gated convolutions
    without a second stage; none of them is a standard, and no weights are read. Kernels of 5, 3 and
    3 pixels lead to 64, 128 and 256 channels, dilations are those of DeepFillv2. What is decided
    here: padding is symmetric; instance norm comes behind the gate, so that it makes up for what
    gates take away (at the start they halve every layer); the first and the last gated layer, which
    carry colours, have none; the decoder sees the encoder's features of its size.

    Source: Yu et al., Free-Form Image Inpainting with Gated Convolution (2019), section 3.1, for
    the layers; Ronneberger et al., U-Net (2015), for the connections.
    """

    width: int = 64
    upsampling: Upsampling = "transposed"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None, *, train: bool = False
    ) -> dict[str, Image]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 4. Pixels in the hole aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: isn't looked at.
            train: nothing here depends on it.

        Returns:
            ``output``: the whole picture, float32 in [-1, 1]; ``composite``: ``output`` in the
            hole, ``image`` elsewhere.

        Raises:
            ValueError: if the sizes aren't multiples of 4.
        """
        del sketch, train
        require_multiples(image, 4, "the gated U-Net")
        norm = instance_norm(self.dtype)
        conv = partial(GatedConv, padding="symmetric", norm=norm, dtype=self.dtype)
        up: Callable[..., nn.Module] = partial(GatedTransposedConv, norm=norm, dtype=self.dtype)
        if self.upsampling == "resize":
            up = partial(GatedUpsample, padding="symmetric", norm=norm, dtype=self.dtype)
        w = self.width
        known = image * (1 - mask)

        full = conv(w, kernel_size=5, norm=None, name="conv1")(jnp.concatenate([known, mask], -1))
        half = conv(2 * w, stride=2, name="conv2_downsample")(full)
        x = conv(4 * w, stride=2, name="conv3_downsample")(half)
        x = conv(4 * w, dilation=2, name="conv4_atrous")(x)
        x = conv(4 * w, dilation=4, name="conv5_atrous")(x)
        x = conv(4 * w, dilation=8, name="conv6_atrous")(x)
        x = conv(4 * w, dilation=16, name="conv7_atrous")(x)
        x = up(2 * w, name="conv8_upsample")(x)
        x = conv(2 * w, name="conv9")(jnp.concatenate([x, half], axis=-1))
        x = up(w, name="conv10_upsample")(x)
        x = conv(w, norm=None, name="conv11")(jnp.concatenate([x, full], axis=-1))
        output = ToImage(5, padding="symmetric", dtype=self.dtype, name="conv12")(x)
        return {"output": output, "composite": output * mask + known}


@dataclass(frozen=True)
class GatedUNetConfig(GeneratorConfig):
    """The single-stage gated U-Net."""

    architecture: ClassVar[str] = "gated_unet"
    width: int = 64  # channels of the first layer after gating; they double twice
    upsampling: Upsampling = "transposed"  # of the decoder; resize: nearest neighbour, convolution

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST)

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 4."""
        return 4

    def build(self, axis_name: str | None = None) -> GatedUNet:
        """The network."""
        del axis_name
        return GatedUNet(self.width, self.upsampling, jnp.dtype(self.compute_dtype))
