"""Which convolutions a CPU or a GPU does faster in another way than XLA's own.

XLA's convolutions on a CPU are near the machine's limit where channels are many and the input is
read forwards. They fall behind in gradients of kernels, at inputs spread out with zeros (gradients
of strided convolutions) and with few channels, and they save no multiplications.

On a GPU, XLA calls cuDNN. It misses only the gradient of a dilated convolution's kernel, which it
hands over as a convolution with a window as large as the picture.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_inpaint.compilation.blocks import blocked_kernel_gradient
from jax_inpaint.compilation.columns import grouped_columns_convolution
from jax_inpaint.compilation.direct import Padding
from jax_inpaint.compilation.phases import (
    dilated_kernel_gradient,
    spread_convolution,
    strided_kernel_gradient,
)
from jax_inpaint.compilation.winograd import winograd_convolution, winograd_kernel_gradient

Pair = tuple[int, int]
ONES = (1, 1)


class Geometry(NamedTuple):
    """Steps of the window, borders of zeros, and what input and kernel are spread out by."""

    stride: Pair
    padding: Padding
    spread: Pair
    dilation: Pair


class Ways(NamedTuple):
    """How a platform does convolutions and gradients of their kernels; None: XLA's way is best."""

    convolution: Callable[[Array, Array, Geometry], Array | None]
    kernel_gradient: Callable[[Array, Array, Pair, Geometry], Array | None]


def rewrite_convolution(
    ways: Ways,
    x: Array,
    kernel: Array,
    *,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    dimension_numbers: Any,
    feature_group_count: int,
    batch_group_count: int,
    **_: Any,
) -> Array | None:
    """A ``conv_general_dilated`` of any layout, done in these ways; None: leave it as it is."""
    if len(window_strides) != 2 or feature_group_count != 1 or batch_group_count != 1:
        return None
    batch, feature, *space = dimension_numbers.lhs_spec
    out, into, *window = dimension_numbers.rhs_spec
    geometry = Geometry(
        (window_strides[0], window_strides[1]),
        (padding[0], padding[1]),
        (lhs_dilation[0], lhs_dilation[1]),
        (rhs_dilation[0], rhs_dilation[1]),
    )
    x, kernel = x.transpose(batch, *space, feature), kernel.transpose(*window, into, out)
    size = _output_size(x, kernel, geometry)
    if geometry.spread == ONES and max(size) < min(kernel.shape[:2]):
        y = _as_kernel_gradient(ways, x, kernel, size, geometry)
    else:
        y = ways.convolution(x, kernel, geometry)
    if y is None:
        return None
    batch, feature, *space = dimension_numbers.out_spec
    places = [batch, *space, feature]  # of b, h, w, c in the result
    return y.transpose([places.index(axis) for axis in range(4)])


def _as_kernel_gradient(
    ways: Ways,
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k l c o"],
    size: Pair,
    geometry: Geometry,
) -> Float[Array, "b p q o"] | None:
    """A convolution whose window is larger than what comes out: the gradient of a kernel.

    It has examples in place of channels. The window is spread out by the convolution's stride, and
    moves by its dilation.
    """
    stride, padding, _, dilation = geometry
    x, gradient = x.transpose(3, 1, 2, 0), kernel.transpose(2, 0, 1, 3)
    y = ways.kernel_gradient(x, gradient, size, Geometry(dilation, padding, ONES, stride))
    return None if y is None else y.transpose(2, 0, 1, 3)


def _convolution_on_cpu(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k l c o"], geometry: Geometry
) -> Float[Array, "b p q o"] | None:
    stride, padding, spread, dilation = geometry
    size = _output_size(x, kernel, geometry)
    window, channels = kernel.shape[:2], kernel.shape[2:]
    if not x.dtype == kernel.dtype == jnp.float32:
        return None
    if spread == (2, 2) and stride == dilation == ONES:
        return spread_convolution(x, kernel, padding, 2)
    if stride != ONES or spread != ONES:
        return None
    if _suits_winograd(window, channels, size, dilation, tile=2):
        return winograd_convolution(x, kernel, padding, dilation[0])
    if dilation == ONES and min(window) > 1 and min(size) >= 32:
        if channels[1] <= 8:
            return grouped_columns_convolution(x, kernel, padding, 4)
        if channels[0] <= 8:
            return grouped_columns_convolution(x, kernel, padding, 2)
    return None


def _kernel_gradient_on_cpu(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    window: Pair,
    geometry: Geometry,
) -> Float[Array, "k l c o"] | None:
    stride, padding, _, dilation = geometry
    channels, size = (x.shape[3], gradient.shape[3]), gradient.shape[1:3]
    if not x.dtype == gradient.dtype == jnp.float32:
        return None
    if stride == ONES and _suits_winograd(window, channels, size, dilation, tile=4):
        return winograd_kernel_gradient(x, gradient, padding, dilation[0])
    if (
        (stride, dilation) == ((2, 2), ONES)
        and 5 <= min(window) <= max(window) <= 6
        and _suits_winograd((3, 3), (4 * channels[0], channels[1]), size, ONES, tile=4)
    ):
        return strided_kernel_gradient(x, gradient, window, padding)
    if min(size) >= 64:
        return blocked_kernel_gradient(x, gradient, window, padding, stride, dilation)
    return None


def _kernel_gradient_on_gpu(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    window: Pair,
    geometry: Geometry,
) -> Float[Array, "k l c o"] | None:
    if geometry.stride != ONES or geometry.dilation == ONES:
        return None
    return dilated_kernel_gradient(x, gradient, window, geometry.padding, geometry.dilation)


CPU = Ways(_convolution_on_cpu, _kernel_gradient_on_cpu)
GPU = Ways(lambda x, kernel, geometry: None, _kernel_gradient_on_gpu)


def _suits_winograd(
    window: Sequence[int],
    channels: Sequence[int],
    size: Sequence[int],
    dilation: Pair,
    tile: int,
) -> bool:
    """3x3, enough channels to outweigh the additions, tiles that don't reach far beyond."""
    step = tile * dilation[0]
    covered = [-(-n // step) * step for n in size]
    return (
        tuple(window) == (3, 3)
        and dilation[0] == dilation[1]
        and min(channels) >= 48
        and channels[0] * channels[1] >= 96 * 96
        and covered[0] * covered[1] <= 1.3 * size[0] * size[1]
        and min(size) >= 16
    )


def _output_size(x: Array, kernel: Array, geometry: Geometry) -> Pair:
    height, width = (
        ((n - 1) * spread + 1 + sum(padding) - (k - 1) * dilation - 1) // stride + 1
        for n, k, stride, padding, spread, dilation in zip(
            x.shape[1:3], kernel.shape[:2], *geometry, strict=True
        )
    )
    return height, width
