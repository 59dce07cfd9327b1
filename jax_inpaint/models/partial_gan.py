"""The generator of a partial-convolution GAN: a small U-Net with residual blocks in the middle."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import DEEPEST, WIDEST, GeneratorConfig, require_counts
from jax_inpaint.layers.convolution import Norm
from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.layers.partial import Part, PartialConv, upsample_part
from jax_inpaint.models.sizes import require_multiples

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]


class PartialResidual(nn.Module):
    """Two partial convolutions whose result is added to what was known before them."""

    features: int
    norm: Norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, part: Part) -> Part:
        """As many features, known in at least as many places."""
        conv = partial(PartialConv, self.features, norm=self.norm, dtype=self.dtype)
        x, valid = part
        inner = conv(activation=partial(nn.leaky_relu, negative_slope=0.2), name="conv1")(part)
        change, new_valid = conv(name="conv2")(inner)
        return x * valid.astype(x.dtype) + change, new_valid


class PartialGAN(nn.Module):
    """Five partial convolutions down, residual blocks, five up with skips, and tanh.

    ``width=32`` with 4 blocks has 7,500,628 parameters, less than a third of the paper's
    :class:`~jax_inpaint.models.partial_unet.PartialUNet`: half as wide, five levels instead of
    seven, and residual blocks in the middle for depth. LeakyReLU 0.2 throughout, batch norm in all
    layers but the first and the last, which alone has a bias.

    No single paper prescribes it. Its parts are the partial U-Net of Liu et al. (2018), and the
    residual middle and the objective, a GAN loss and L1, of image translation (Isola et al., 2017;
    Wang et al., 2018).
    """

    width: int = 32
    blocks: int = 4
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None, *, train: bool = False
    ) -> dict[str, Image]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 32. Pixels in the hole aren't looked
                at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: ignored.
            train: batch norm uses the batch's statistics and remembers them.

        Returns:
            ``output``: the whole picture, float32 in [-1, 1]; ``composite``: ``output`` in the
            hole, ``image`` elsewhere.

        Raises:
            ValueError: if the sizes aren't multiples of 32.
        """
        del sketch
        require_multiples(image, 32, "the generator of a partial GAN")
        w, norm = self.width, batch_norm(train, self.axis_name, self.dtype)
        conv = partial(
            PartialConv,
            norm=norm,
            activation=partial(nn.leaky_relu, negative_slope=0.2),
            dtype=self.dtype,
        )
        known = image * (1 - mask)

        x0 = (known, 1 - mask)
        x1 = conv(w, kernel_size=7, stride=2, norm=None, name="enc1")(x0)
        x2 = conv(2 * w, kernel_size=5, stride=2, name="enc2")(x1)
        x3 = conv(4 * w, stride=2, name="enc3")(x2)
        x4 = conv(8 * w, stride=2, name="enc4")(x3)
        x = conv(8 * w, stride=2, name="enc5")(x4)
        for number in range(1, self.blocks + 1):
            x = PartialResidual(8 * w, norm, self.dtype, name=f"block{number}")(x)
        x = conv(8 * w, name="dec5")(upsample_part(x), x4)
        x = conv(4 * w, name="dec4")(upsample_part(x), x3)
        x = conv(2 * w, name="dec3")(upsample_part(x), x2)
        x = conv(w, name="dec2")(upsample_part(x), x1)
        head = conv(3, norm=None, activation=None, use_bias=True, name="dec1")
        colours, _ = head(upsample_part(x), x0)

        output = jnp.tanh(colours.astype(jnp.float32))
        return {"output": output, "composite": output * mask + known}


@dataclass(frozen=True)
class PartialGANConfig(GeneratorConfig):
    """The generator of a partial-convolution GAN."""

    architecture: ClassVar[str] = "partial_gan"
    width: int = 32  # channels of the first layer; they double up to 8 times as many
    blocks: int = 4  # residual blocks at a 32nd of the size

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST)
        require_counts("generator", self, least=0, blocks=DEEPEST)

    @property
    def multiple(self) -> int:
        """Height and width halve five times."""
        return 32

    def build(self, axis_name: str | None = None) -> PartialGAN:
        """The network."""
        return PartialGAN(self.width, self.blocks, axis_name, jnp.dtype(self.compute_dtype))
