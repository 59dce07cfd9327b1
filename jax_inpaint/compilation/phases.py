"""Convolutions of an input spread out with zeros, without multiplying the zeros."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_inpaint.compilation.direct import Padding, direct_convolution


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
