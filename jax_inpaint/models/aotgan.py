"""AOT-GAN: aggregated contextual transformations (Zeng et al., TVCG 2022)."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import DEEPEST, WIDEST, GeneratorConfig, require_counts
from jax_inpaint.layers.convolution import Conv
from jax_inpaint.layers.gated import ToImage
from jax_inpaint.models.sizes import require_multiples

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]

RATES = (1, 2, 4, 8)


class AOTBlock(nn.Module):
    """Four dilated convolutions side by side, fused, and let through where a gate is open.

    ``(B, H, W, C) -> (B, H, W, C)``

    Source: Zeng et al., Aggregated Contextual Transformations for High-Resolution Image Inpainting
    (2022), section 3.1.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Features of the same shape, in ``dtype``."""
        conv = partial(Conv, padding="reflect", dtype=self.dtype)
        channels = x.shape[-1]
        branches = [
            conv(channels // 4, dilation=rate, activation=nn.relu, name=f"block{i:02}_1")(x)
            for i, rate in enumerate(RATES)
        ]
        fused = conv(channels, name="fuse_1")(jnp.concatenate(branches, axis=-1))
        gate = nn.sigmoid(standardize(conv(channels, name="gate_1")(x))).astype(self.dtype)
        self.sow("intermediates", "gate", gate)
        return x * (1 - gate) + fused * gate


def standardize(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    """Every channel of every image to mean -5 and standard deviation 10, in float32.

    Under a sigmoid most gates are then either open or shut, and more are shut. The deviation is
    the unbiased one, as in the official code.
    """
    x = x.astype(jnp.float32)
    mean = jnp.mean(x, axis=(1, 2), keepdims=True)
    variance = jnp.var(x, axis=(1, 2), keepdims=True, ddof=1)
    # Bounded before the root, whose gradient at 0 would be infinite.
    deviation = jnp.sqrt(jnp.maximum(variance, 1e-18)) + 1e-9
    return 5 * (2 * (x - mean) / deviation - 1)


def upsample_bilinear(x: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 c"]:
    """Doubles height and width; the corners stay in the corners (``align_corners=True``).

    Computes in float32, because weights rounded to bfloat16 would not add up to 1.
    """

    def weights(size: int) -> np.ndarray:
        positions = np.linspace(0, size - 1, 2 * size)[:, None]
        return np.maximum(0, 1 - np.abs(positions - np.arange(size))).astype(np.float32)

    rows, columns = weights(x.shape[1]), weights(x.shape[2])
    large = jnp.einsum("ph,bhwc,qw->bpqc", rows, x.astype(jnp.float32), columns)
    return large.astype(x.dtype)


class AOTGAN(nn.Module):
    """The AOT-GAN generator: 15,200,835 parameters at ``width=64`` with 8 blocks.

    Layers carry the official code's names, ``encoder_1`` for its ``encoder.1``. As there, the hole
    is white.

    Source: Zeng et al., Aggregated Contextual Transformations for High-Resolution Image Inpainting
    (2022), and its released code.
    """

    width: int = 64
    blocks: int = 8
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None, *, train: bool = False
    ) -> dict[str, Image]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 4. Pixels in the hole aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: not used.
            train: nothing here depends on it.

        Returns:
            ``output``: the whole picture, float32 in [-1, 1]; ``composite``: it in the hole,
            ``image`` elsewhere.

        Raises:
            ValueError: if the sizes aren't multiples of 4.
        """
        del sketch, train
        require_multiples(image, 4, "AOT-GAN")
        conv = partial(Conv, dtype=self.dtype)
        w = self.width
        x = jnp.concatenate([image * (1 - mask) + mask, mask], axis=-1)
        x = conv(w, 7, padding="reflect", activation=nn.relu, name="encoder_1")(x)
        x = conv(2 * w, 4, stride=2, activation=nn.relu, name="encoder_3")(x)
        x = conv(4 * w, 4, stride=2, activation=nn.relu, name="encoder_5")(x)
        for number in range(self.blocks):
            x = AOTBlock(self.dtype, name=f"middle_{number}")(x)
        x = conv(2 * w, activation=nn.relu, name="decoder_0")(upsample_bilinear(x))
        x = conv(w, activation=nn.relu, name="decoder_2")(upsample_bilinear(x))
        output = ToImage(padding="symmetric", dtype=self.dtype, name="decoder_4")(x)
        return {"output": output, "composite": output * mask + image * (1 - mask)}


@dataclass(frozen=True)
class AOTGANConfig(GeneratorConfig):
    """The AOT-GAN generator."""

    architecture: ClassVar[str] = "aotgan"
    width: int = 64  # channels of the first layer; 64 is the paper's
    blocks: int = 8  # AOT blocks at a quarter of the size; 8 is the paper's

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST, blocks=DEEPEST)

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 4."""
        return 4

    def build(self, axis_name: str | None = None) -> AOTGAN:
        """The network."""
        del axis_name
        return AOTGAN(self.width, self.blocks, jnp.dtype(self.compute_dtype))
