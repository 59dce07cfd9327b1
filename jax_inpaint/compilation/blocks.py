"""The kernel gradient of a convolution as matrix products of blocks that fit the cache."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_inpaint.compilation.direct import Padding


def blocked_kernel_gradient(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    kernel_size: tuple[int, int],
    padding: Padding,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    rows: int = 8,
) -> Float[Array, "k l c o"]:
    """Gradient of a convolution with respect to its kernel, ``rows`` rows of outputs at a time.

    The shifted pixels under all taps are gathered side by side and contracted with the output's
    gradient in one product.
    """
    batch, height, width, channels = gradient.shape
    count = -(-height // rows)
    needed = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip((count * rows, width), stride, kernel_size, dilation, strict=True)
    ]
    borders = [
        (before, n - size - before, 0)
        for n, size, (before, _) in zip(needed, x.shape[1:3], padding, strict=True)
    ]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *borders, (0, 0, 0)])
    gradient = jnp.pad(gradient, ((0, 0), (0, count * rows - height), (0, 0), (0, 0)))
    seen = (rows - 1) * stride[0] + (kernel_size[0] - 1) * dilation[0] + 1

    def add_block(i: Array, total: Array) -> Array:
        block = jax.lax.dynamic_slice_in_dim(x, i * rows * stride[0], seen, axis=1)
        shifted = []
        for a in range(0, kernel_size[0] * dilation[0], dilation[0]):
            for b in range(0, kernel_size[1] * dilation[1], dilation[1]):
                lines = slice(a, a + (rows - 1) * stride[0] + 1, stride[0])
                columns = slice(b, b + (width - 1) * stride[1] + 1, stride[1])
                shifted.append(block[:, lines, columns])
        patches = jnp.concatenate(shifted, -1).reshape(batch * rows * width, -1)
        part = jax.lax.dynamic_slice_in_dim(gradient, i * rows, rows, axis=1)
        return total + patches.T @ part.reshape(batch * rows * width, channels)

    taps = kernel_size[0] * kernel_size[1] * x.shape[-1]
    total = jax.lax.fori_loop(0, count, add_block, jnp.zeros((taps, channels), x.dtype))
    return total.reshape(*kernel_size, -1, channels)
