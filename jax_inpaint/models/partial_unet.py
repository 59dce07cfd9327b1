"""The partial-convolution U-Net (Liu et al., ECCV 2018)."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import WIDEST, GeneratorConfig, require_counts
from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.layers.partial import PartialConv, upsample_part
from jax_inpaint.models.sizes import require_multiples

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]
Normalization = Literal["unit", "imagenet"]

# Mean and deviation of colours in [-1, 1], for the network to work on (colour - mean) / deviation.
_COLOURS = {
    "unit": (np.zeros(3, np.float32), np.ones(3, np.float32)),
    "imagenet": (
        np.array([2 * 0.485 - 1, 2 * 0.456 - 1, 2 * 0.406 - 1], np.float32),
        np.array([2 * 0.229, 2 * 0.224, 2 * 0.225], np.float32),
    ),
}


class PartialUNet(nn.Module):
    """A U-Net of partial convolutions, through which the mask shrinks with the picture.

    ``width=64`` has 25,779,796 parameters with 7 levels, for 256x256, and 32,859,732 with 8, the
    paper's for 512x512. Convolutions have no bias but the last one; the output is linear, not
    bounded. The first and the last layer have no batch norm.

    ``freeze_encoder_norm`` is the fine-tuning phase: batch norm of the encoder uses its running
    statistics, which stay as they are, also with ``train``. Statistics of batches would be those of
    pictures with holes in them.

    Source: Liu et al., Image Inpainting for Irregular Holes Using Partial Convolutions (2018),
    sections 3.2 and 4.2 and table 2.
    """

    width: int = 64
    levels: int = 7
    normalization: Normalization = "unit"
    freeze_encoder_norm: bool = False
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None, *, train: bool = False
    ) -> dict[str, Image]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of ``2**levels``. Pixels in the hole
                aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: ignored.
            train: batch norm uses the batch's statistics and remembers them.

        Returns:
            ``output``: the whole picture on the scale of ``image``, float32; ``composite``:
            ``output`` in the hole, ``image`` elsewhere.

        Raises:
            ValueError: if the sizes aren't multiples of ``2**levels``.
        """
        del sketch
        require_multiples(image, 2**self.levels, f"a partial U-Net of {self.levels} levels")
        norm = partial(batch_norm, axis_name=self.axis_name, dtype=self.dtype)
        down = partial(
            PartialConv,
            stride=2,
            norm=norm(train and not self.freeze_encoder_norm),
            activation=nn.relu,
            dtype=self.dtype,
        )
        up = partial(
            PartialConv,
            norm=norm(train),
            activation=partial(nn.leaky_relu, negative_slope=0.2),
            dtype=self.dtype,
        )
        mean, deviation = _COLOURS[self.normalization]
        known = image * (1 - mask)
        widths = [self.width * min(2**level, 8) for level in range(self.levels)]

        skips = [((known - mean) / deviation, 1 - mask)]
        skips.append(down(widths[0], kernel_size=7, norm=None, name="enc1")(skips[-1]))
        for level in range(2, self.levels + 1):
            kernel_size = 5 if level <= 3 else 3
            name = f"enc{level}"
            skips.append(down(widths[level - 1], kernel_size=kernel_size, name=name)(skips[-1]))
        x = skips.pop()
        for level in range(self.levels, 1, -1):
            x = up(widths[level - 2], name=f"dec{level}")(upsample_part(x), skips.pop())
        head = up(3, norm=None, activation=None, use_bias=True, name="dec1")
        colours, _ = head(upsample_part(x), skips.pop())

        output = colours.astype(jnp.float32) * deviation + mean
        return {"output": output, "composite": output * mask + known}


@dataclass(frozen=True)
class PartialUNetConfig(GeneratorConfig):
    """The partial-convolution U-Net."""

    architecture: ClassVar[str] = "partial_unet"
    width: int = 64  # channels of the first layer; they double up to 8 times as many
    levels: int = 7  # halvings of the picture; the paper's 8 are for 512x512
    normalization: Normalization = "unit"  # imagenet: colours as the PyTorch port's weights expect
    freeze_encoder_norm: bool = False  # batch norm of the encoder stays as it is; phases set it

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST, levels=10)  # sides are multiples of 1024

    @property
    def multiple(self) -> int:
        """Height and width halve at every level."""
        return 2**self.levels

    def frozen_parameters(self, path: tuple[str, ...]) -> bool:
        """Whether a parameter, named by its path such as ``("enc2", "norm", "scale")``, is kept."""
        return self.freeze_encoder_norm and path[0].startswith("enc") and "norm" in path

    def build(self, axis_name: str | None = None) -> PartialUNet:
        """The network."""
        return PartialUNet(
            self.width,
            self.levels,
            self.normalization,
            self.freeze_encoder_norm,
            axis_name,
            jnp.dtype(self.compute_dtype),
        )
