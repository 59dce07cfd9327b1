"""Convolutions with their padding, normalisation and activation."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Initializer
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.ops.resize import upsample_convolution, upsample_nearest
from jax_inpaint.ops.sharding import with_mirrored_borders

Activation = Callable[[Array], Array]
Norm = Callable[..., nn.Module]
Padding = Literal["same", "symmetric", "reflect"]

GLOROT = nn.initializers.glorot_uniform()


def convolution(
    x: Float[Array, "b h w c"],
    features: int,
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
    padding: Padding = "symmetric",
    use_bias: bool = True,
    kernel_init: Initializer = GLOROT,
    dtype: DTypeLike = jnp.float32,
    name: str = "conv",
    upsample: bool = False,
) -> Float[Array, "b p q f"]:
    """A bare convolution, called inside a module's ``__call__``.

    Parameters are float32 and belong to that module, under ``name``.

    Args:
        x: features.
        features: channels out.
        kernel_size, stride, dilation: the same for height and width.
        padding: ``"same"``: zeros by TensorFlow's rule, at even sizes and stride 2 more behind than
            before; ``"symmetric"``: ``dilation * (kernel_size - 1) // 2`` zeros on every side, as
            PyTorch code does; ``"reflect"``: as many, mirrored without repeating the edge.
        use_bias: whether it has one.
        kernel_init: draws the kernel; Glorot's uniform unless another is given.
        dtype: what it computes in.
        name: of its parameters.
        upsample: whether every pixel is repeated beforehand, to twice the height and width.
    """
    width = dilation * (kernel_size - 1) // 2
    borders: Any = "SAME" if padding == "same" else [(width, width)] * 2
    through: Any = None
    if upsample and padding == "reflect":
        x = upsample_nearest(x)
    elif upsample:
        borders, through = [(width, kernel_size - 1 - width)] * 2, _after_upsampling
    if padding == "reflect":  # XLA pads with zeros by itself; mirrored borders have to be made
        borders, through = "VALID", partial(_after_mirroring, width=width)
    return nn.Conv(
        features,
        (kernel_size, kernel_size),
        strides=stride,
        kernel_dilation=dilation,
        padding=borders,
        use_bias=use_bias,
        kernel_init=kernel_init,
        dtype=dtype,
        conv_general_dilated=through,
        name=name,
    )(x)


def _after_mirroring(
    x: Array, kernel: Array, strides: Any, *rest: Any, width: int, **more: Any
) -> Array:
    def convolve(x: Array) -> Array:
        return jax.lax.conv_general_dilated(x, kernel, strides, *rest, **more)

    return with_mirrored_borders(convolve, x, width, strides[0])


def _after_upsampling(x: Array, kernel: Array, strides: Any, padding: Any, **_: Any) -> Array:
    return upsample_convolution(x, kernel, padding)


class Conv(nn.Module):
    """Convolution, then normalisation and activation where they are given.

    ``(B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), features)`` for odd kernels.
    Parameters are float32; ``dtype`` is what it computes in. For ``padding`` see
    :func:`convolution`.
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    dilation: int = 1
    padding: Padding = "symmetric"
    norm: Norm | None = None
    activation: Activation | None = None
    use_bias: bool = True
    kernel_init: Initializer = GLOROT
    dtype: DTypeLike = jnp.float32
    upsample: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Features, in ``dtype``."""
        x = convolution(
            x,
            self.features,
            self.kernel_size,
            self.stride,
            self.dilation,
            self.padding,
            self.use_bias,
            self.kernel_init,
            self.dtype,
            upsample=self.upsample,
        )
        if self.norm is not None:
            x = self.norm(name="norm")(x)
        return x if self.activation is None else self.activation(x)


class UpConv(nn.Module):
    """Nearest-neighbour upsampling by two, then a :class:`Conv` (a resize-convolution).

    ``(B, H, W, C) -> (B, 2 H, 2 W, features)``
    """

    features: int
    kernel_size: int = 3
    padding: Padding = "symmetric"
    norm: Norm | None = None
    activation: Activation | None = None
    use_bias: bool = True
    kernel_init: Initializer = GLOROT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 f"]:
        """Features at twice the size, in ``dtype``."""
        return Conv(
            self.features,
            self.kernel_size,
            padding=self.padding,
            norm=self.norm,
            activation=self.activation,
            use_bias=self.use_bias,
            kernel_init=self.kernel_init,
            dtype=self.dtype,
            upsample=True,
            name="up",
        )(x)


class TransposedConv(nn.Module):
    """Transposed convolution that multiplies height and width by ``stride``.

    It is PyTorch's ``ConvTranspose2d(kernel_size, stride, padding, output_padding)`` with
    ``padding = (kernel_size - stride + 1) // 2`` and the output padding that makes the size exact.
    The kernel (height, width, in, out) is PyTorch's, mirrored in height and width.

    ``(B, H, W, C) -> (B, stride H, stride W, features)``
    """

    features: int
    kernel_size: int = 4
    stride: int = 2
    norm: Norm | None = None
    activation: Activation | None = None
    use_bias: bool = True
    kernel_init: Initializer = GLOROT
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Features at ``stride`` times the size, in ``dtype``."""
        before = self.kernel_size - 1 - (self.kernel_size - self.stride + 1) // 2
        after = self.kernel_size + self.stride - 2 - before
        x = nn.ConvTranspose(
            self.features,
            (self.kernel_size, self.kernel_size),
            strides=(self.stride, self.stride),
            padding=[(before, after)] * 2,
            use_bias=self.use_bias,
            kernel_init=self.kernel_init,
            dtype=self.dtype,
            name="conv",
        )(x)
        if self.norm is not None:
            x = self.norm(name="norm")(x)
        return x if self.activation is None else self.activation(x)
