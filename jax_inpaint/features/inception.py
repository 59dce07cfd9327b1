"""The Inception-v3 that FID is defined by: TensorFlow's of 2015-12-05, as pytorch-fid has it.

Blocks and layers carry the names of pytorch-fid's file. The network isn't torchvision's: average
pooling leaves out what lies beyond the border, the last block takes the largest instead of the
average, and batch normalisation uses an epsilon of 0.001, with the statistics stored there.

Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision (2016).
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.features.tables import Table, max_pool


class Convolution(nn.Module):
    """Convolution without a bias, batch normalisation and ReLU."""

    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: Literal["SAME", "VALID"] = "SAME"
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Features, in ``dtype``."""
        x = nn.Conv(
            self.width,
            self.kernel,
            strides=self.stride,
            padding=self.padding,
            use_bias=False,
            dtype=self.dtype,
            name="conv",
        )(x)
        x = nn.BatchNorm(use_running_average=True, epsilon=1e-3, dtype=self.dtype, name="bn")(x)
        return nn.relu(x)


class InceptionA(nn.Module):
    """Kernels of 1x1, 5x5 and 3x3 twice, and a pooling, side by side."""

    pooled: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w f"]:
        """Features with ``224 + pooled`` channels, in ``dtype``."""
        conv = partial(Convolution, dtype=self.dtype)
        single = conv(64, name="branch1x1")(x)
        wide = conv(48, name="branch5x5_1")(x)
        wide = conv(64, (5, 5), name="branch5x5_2")(wide)
        double = conv(64, name="branch3x3dbl_1")(x)
        double = conv(96, (3, 3), name="branch3x3dbl_2")(double)
        double = conv(96, (3, 3), name="branch3x3dbl_3")(double)
        pooled = conv(self.pooled, name="branch_pool")(_average_of_neighbours(x))
        return jnp.concatenate([single, wide, double, pooled], axis=-1)


class InceptionB(nn.Module):
    """Halves the size: kernels of 3x3 once and twice, and a pooling, side by side."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Features with 480 channels more, in ``dtype``."""
        conv = partial(Convolution, dtype=self.dtype)
        single = conv(384, (3, 3), 2, "VALID", name="branch3x3")(x)
        double = conv(64, name="branch3x3dbl_1")(x)
        double = conv(96, (3, 3), name="branch3x3dbl_2")(double)
        double = conv(96, (3, 3), 2, "VALID", name="branch3x3dbl_3")(double)
        return jnp.concatenate([single, double, max_pool(x)], axis=-1)


class InceptionC(nn.Module):
    """Kernels of 1x1, 7x7 in two parts once and twice, and a pooling, side by side."""

    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w f"]:
        """Features with 768 channels, in ``dtype``."""
        conv = partial(Convolution, dtype=self.dtype)
        single = conv(192, name="branch1x1")(x)
        wide = conv(self.width, name="branch7x7_1")(x)
        wide = conv(self.width, (1, 7), name="branch7x7_2")(wide)
        wide = conv(192, (7, 1), name="branch7x7_3")(wide)
        double = conv(self.width, name="branch7x7dbl_1")(x)
        double = conv(self.width, (7, 1), name="branch7x7dbl_2")(double)
        double = conv(self.width, (1, 7), name="branch7x7dbl_3")(double)
        double = conv(self.width, (7, 1), name="branch7x7dbl_4")(double)
        double = conv(192, (1, 7), name="branch7x7dbl_5")(double)
        pooled = conv(192, name="branch_pool")(_average_of_neighbours(x))
        return jnp.concatenate([single, wide, double, pooled], axis=-1)


class InceptionD(nn.Module):
    """Halves the size: kernels of 3x3, 7x7 in two parts, and a pooling, side by side."""

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Features with 512 channels more, in ``dtype``."""
        conv = partial(Convolution, dtype=self.dtype)
        single = conv(192, name="branch3x3_1")(x)
        single = conv(320, (3, 3), 2, "VALID", name="branch3x3_2")(single)
        wide = conv(192, name="branch7x7x3_1")(x)
        wide = conv(192, (1, 7), name="branch7x7x3_2")(wide)
        wide = conv(192, (7, 1), name="branch7x7x3_3")(wide)
        wide = conv(192, (3, 3), 2, "VALID", name="branch7x7x3_4")(wide)
        return jnp.concatenate([single, wide, max_pool(x)], axis=-1)


class InceptionE(nn.Module):
    """Kernels of 1x1, 3x3 whose parts lie side by side, once and twice, and a pooling."""

    pool: Callable[[jax.Array], jax.Array]
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w f"]:
        """Features with 2048 channels, in ``dtype``."""
        conv = partial(Convolution, dtype=self.dtype)
        single = conv(320, name="branch1x1")(x)
        near = conv(384, name="branch3x3_1")(x)
        near_row = conv(384, (1, 3), name="branch3x3_2a")(near)
        near_column = conv(384, (3, 1), name="branch3x3_2b")(near)
        far = conv(448, name="branch3x3dbl_1")(x)
        far = conv(384, (3, 3), name="branch3x3dbl_2")(far)
        far_row = conv(384, (1, 3), name="branch3x3dbl_3a")(far)
        far_column = conv(384, (3, 1), name="branch3x3dbl_3b")(far)
        pooled = conv(192, name="branch_pool")(self.pool(x))
        return jnp.concatenate(
            [single, near_row, near_column, far_row, far_column, pooled], axis=-1
        )


def _average_of_neighbours(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _largest_of_neighbours(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    return nn.max_pool(x, (3, 3), padding="SAME")


INCEPTION: Table = {
    "Conv2d_1a_3x3": Convolution(32, (3, 3), 2, "VALID"),
    "Conv2d_2a_3x3": Convolution(32, (3, 3), padding="VALID"),
    "Conv2d_2b_3x3": Convolution(64, (3, 3)),
    "pool1": max_pool,
    "Conv2d_3b_1x1": Convolution(80),
    "Conv2d_4a_3x3": Convolution(192, (3, 3), padding="VALID"),
    "pool2": max_pool,
    "Mixed_5b": InceptionA(32),
    "Mixed_5c": InceptionA(64),
    "Mixed_5d": InceptionA(64),
    "Mixed_6a": InceptionB(),
    "Mixed_6b": InceptionC(128),
    "Mixed_6c": InceptionC(160),
    "Mixed_6d": InceptionC(160),
    "Mixed_6e": InceptionC(192),
    "Mixed_7a": InceptionD(),
    "Mixed_7b": InceptionE(_average_of_neighbours),
    "Mixed_7c": InceptionE(_largest_of_neighbours),
    "pool3": partial(jnp.mean, axis=(1, 2), keepdims=True),
}
