"""LaMa: a residual generator of fast Fourier convolutions (Suvorov et al., WACV 2022)."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import DEEPEST, WIDEST, GeneratorConfig, require_counts
from jax_inpaint.layers.convolution import TransposedConv
from jax_inpaint.layers.fourier import Branches, FFCNormRelu, FFCResidualBlock
from jax_inpaint.layers.gated import ToImage
from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.models.sizes import require_multiples

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]


class LaMa(nn.Module):
    """The LaMa generator; ``blocks=9`` is LaMa-Fourier, ``blocks=18`` is Big LaMa.

    27,048,835 and 50,975,875 parameters. Three quarters of the features at an eighth of the size
    are global. Layers are numbered as in the official code, ``model_N`` for its ``model.N``.

    The official network works in [0, 1]: here images and output are [-1, 1], and the hole is black.

    Source: Suvorov et al., Resolution-robust Large Mask Inpainting with Fourier Convolutions
    (2022), section 2.
    """

    width: int = 64
    blocks: int = 9
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None, *, train: bool = False
    ) -> dict[str, Image]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 8. Pixels in the hole aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: not used.
            train: normalise with the batch's statistics, and remember them.

        Returns:
            ``output``: the whole picture, float32 in [-1, 1]; ``composite``: it in the hole,
            ``image`` elsewhere.

        Raises:
            ValueError: if the sizes aren't multiples of 8.
        """
        del sketch
        require_multiples(image, 8, "LaMa")
        norm = batch_norm(train, self.axis_name, self.dtype)
        ffc = partial(FFCNormRelu, norm=norm, dtype=self.dtype)
        w, n = self.width, self.blocks

        known = (image + 1) / 2 * (1 - mask)
        y = jnp.concatenate([known, mask], axis=-1)
        x: Branches = (y, y[..., :0])
        x = ffc(w, 0, kernel_size=7, name="model_1")(x)
        x = ffc(2 * w, 0, stride=2, name="model_2")(x)
        x = ffc(4 * w, 0, stride=2, name="model_3")(x)
        x = ffc(8 * w, 6 * w, stride=2, name="model_4")(x)
        for number in range(5, n + 5):
            x = FFCResidualBlock(norm, self.dtype, name=f"model_{number}")(x)
        y = jnp.concatenate(x, axis=-1)
        for number, features in zip((n + 6, n + 9, n + 12), (4 * w, 2 * w, w), strict=True):
            y = TransposedConv(features, 3, dtype=self.dtype, name=f"model_{number}")(y)
            y = nn.relu(norm(name=f"model_{number + 1}")(y))
        y = ToImage(7, "reflect", nn.sigmoid, self.dtype, name=f"model_{n + 16}")(y)
        output = 2 * y - 1
        return {"output": output, "composite": output * mask + image * (1 - mask)}


@dataclass(frozen=True)
class LaMaConfig(GeneratorConfig):
    """The LaMa generator."""

    architecture: ClassVar[str] = "lama"
    width: int = 64  # channels of the first layer; 64 is the paper's
    blocks: int = 9  # residual blocks of Fourier convolutions: 9 is LaMa-Fourier, 18 is Big LaMa

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST, blocks=DEEPEST)

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 8."""
        return 8

    def build(self, axis_name: str | None = None) -> LaMa:
        """The network."""
        return LaMa(self.width, self.blocks, axis_name, jnp.dtype(self.compute_dtype))
