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


Way = Callable[[Array, Array, Geometry], Array | None]


def rewrite_convolution(
    way: Way,
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
    """A ``conv_general_dilated`` of any layout, done in this way; None: leave it as it is."""
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
    y = way(x.transpose(batch, *space, feature), kernel.transpose(*window, into, out), geometry)
    if y is None:
        return None
    batch, feature, *space = dimension_numbers.out_spec
    places = [batch, *space, feature]  # of b, h, w, c in the result
    return y.transpose([places.index(axis) for axis in range(4)])


def on_gpu(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k l c o"], geometry: Geometry
) -> Float[Array, "b p q o"] | None:
    """The way of a GPU, or None where that is XLA's."""
    if not _is_kernel_gradient(x, kernel, geometry):
        return None
    return _as_kernel_gradient(x, kernel, geometry, _kernel_gradient_on_gpu)


def on_cpu(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k l c o"], geometry: Geometry
) -> Float[Array, "b p q o"] | None:
    """The way of a CPU, or None where that is XLA's."""
    stride, padding, spread, dilation = geometry
    size = _output_size(x, kernel, geometry)
    window, channels = kernel.shape[:2], kernel.shape[2:]
    if not x.dtype == kernel.dtype == jnp.float32:
        return None
    if _is_kernel_gradient(x, kernel, geometry):
        return _as_kernel_gradient(x, kernel, geometry, _kernel_gradient_on_cpu)
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


def _is_kernel_gradient(x: Array, kernel: Array, geometry: Geometry) -> bool:
    """It is if what comes out is smaller than the window."""
    return geometry.spread == ONES and max(_output_size(x, kernel, geometry)) < min(
        kernel.shape[:2]
    )


def _as_kernel_gradient(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k l c o"],
    geometry: Geometry,
    way: Callable[[Array, Array, Pair, Geometry], Array | None],
) -> Float[Array, "b p q o"] | None:
    # A kernel's gradient has examples in place of channels. The window is spread out by the
    # convolution's stride, and moves by its dilation.
    stride, padding, _, dilation = geometry
    size = _output_size(x, kernel, geometry)
    x, gradient = x.transpose(3, 1, 2, 0), kernel.transpose(2, 0, 1, 3)
    y = way(x, gradient, size, Geometry(dilation, padding, ONES, stride))
    return None if y is None else y.transpose(2, 0, 1, 3)


def _kernel_gradient_on_gpu(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    window: Pair,
    geometry: Geometry,
) -> Float[Array, "k l c o"] | None:
    stride, padding, _, dilation = geometry
    if stride != ONES or dilation == ONES:
        return None
    return dilated_kernel_gradient(x, gradient, window, padding, dilation)


def _kernel_gradient_on_cpu(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    window: Pair,
    geometry: Geometry,
) -> Float[Array, "k l c o"] | None:
    stride, padding, _, dilation = geometry
    channels, size = (x.shape[3], gradient.shape[3]), gradient.shape[1:3]
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
