"""Convolutions with a stride, and their gradients, as convolutions without one."""

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
