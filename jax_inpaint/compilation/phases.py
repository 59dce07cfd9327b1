"""Convolutions with stride or dilation, and their gradients, as convolutions without."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_inpaint.compilation.direct import Padding, direct_convolution
from jax_inpaint.compilation.winograd import winograd_kernel_gradient


def spread_convolution(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k l c o"],
    padding: Padding,
    spread: int,
) -> Float[Array, "b p q o"]:
    """Convolution of ``x`` with ``spread - 1`` zeros between its pixels (``lhs_dilation``).

    It is the input gradient of a convolution with that stride, and a transposed convolution. Each
    of ``spread``^2 phases of the output sees its own part of the kernel, and pixels only.
    """
    size = [
        (n - 1) * spread + 1 + sum(p) - k + 1
        for n, k, p in zip(x.shape[1:3], kernel.shape[:2], padding, strict=True)
    ]
    counts = [-(-n // spread) for n in size]

    def phase(a: int, b: int) -> Array:
        """The outputs (a + m spread, b + n spread)."""
        taps, borders = [], []
        for first, (before, _), n, k, count in zip(
            (a, b), padding, x.shape[1:3], kernel.shape[:2], counts, strict=True
        ):
            tap = (before - first) % spread  # the first that meets a pixel and not a zero
            used = -(-(k - tap) // spread)
            low = (before - first - tap) // spread
            taps.append(slice(tap, None, spread))
            borders.append((low, count + used - 1 - n - low))
        seen = kernel[*taps]
        if not seen.size:
            return jnp.zeros((x.shape[0], *counts, kernel.shape[-1]), x.dtype)
        return direct_convolution(x, seen, (borders[0], borders[1]))

    rows = [jnp.stack([phase(a, b) for b in range(spread)], 3) for a in range(spread)]
    y = jnp.stack(rows, 2)
    y = y.reshape(x.shape[0], counts[0] * spread, counts[1] * spread, -1)
    return jax.lax.slice_in_dim(jax.lax.slice_in_dim(y, 0, size[0], axis=1), 0, size[1], axis=2)


def strided_kernel_gradient(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    kernel_size: tuple[int, int],
    padding: Padding,
) -> Float[Array, "k l c o"]:
    """Gradient of a convolution at stride 2 with respect to a kernel of up to 6x6.

    With every 2x2 pixels in one pixel's place, it is a 3x3 convolution at stride 1, whose kernel
    has four times the channels, and Winograd's method applies.
    """
    batch, *_, channels = x.shape
    rows, columns = (n + 2 for n in gradient.shape[1:3])
    borders = [
        (before, 2 * blocks - n - before, 0)
        for blocks, n, (before, _) in zip((rows, columns), x.shape[1:3], padding, strict=True)
    ]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *borders, (0, 0, 0)])
    x = x.reshape(batch, rows, 2, columns, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(batch, rows, columns, 4 * channels)
    kernel = winograd_kernel_gradient(x, gradient, ((0, 0), (0, 0)))
    kernel = kernel.reshape(3, 3, 2, 2, channels, -1).transpose(0, 2, 1, 3, 4, 5)
    height, width = kernel_size
    return kernel.reshape(6, 6, channels, -1)[:height, :width]


def dilated_kernel_gradient(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    kernel_size: tuple[int, int],
    padding: Padding,
    dilation: tuple[int, int],
) -> Float[Array, "k l c o"]:
    """Gradient of a dilated convolution with respect to its kernel.

    Pixels that are multiples of the dilation apart form a picture of their own, and the kernel sees
    each of them undilated.
    """
    counts = [-(-n // d) for n, d in zip(gradient.shape[1:3], dilation, strict=True)]
    reach = [n + k - 1 for n, k in zip(counts, kernel_size, strict=True)]

    def pictures(features: Array, before: Sequence[int], size: Sequence[int]) -> Array:
        """So many rows and columns of each; they take the place of examples."""
        batch, *shape, channels = features.shape
        borders = [
            (first, n * d - have - first, 0)
            for first, n, d, have in zip(before, size, dilation, shape, strict=True)
        ]
        zero = jnp.zeros((), features.dtype)
        features = jax.lax.pad(features, zero, [(0, 0, 0), *borders, (0, 0, 0)])
        (rows, columns), (down, across) = size, dilation
        features = features.reshape(batch, rows, down, columns, across, channels)
        return features.transpose(0, 2, 4, 1, 3, 5).reshape(-1, rows, columns, channels)

    return jax.lax.conv_general_dilated(
        pictures(x, [first for first, _ in padding], reach),
        pictures(gradient, (0, 0), counts),
        (1, 1),
        "VALID",
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )
