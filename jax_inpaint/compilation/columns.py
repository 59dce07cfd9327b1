"""Convolutions with few channels, as convolutions with several columns in one pixel's place."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_inpaint.compilation.direct import Padding, direct_convolution


def grouped_columns_convolution(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k l c o"],
    padding: Padding,
    columns: int,
) -> Float[Array, "b p q o"]:
    """Convolution at stride 1 that works out so many neighbouring columns at once.

    The kernel is repeated side by side, each copy a column further on: with few channels matrix
    products of it are too narrow to be fast, and what is multiplied by zeros costs less than that.
    """
    height, width, into, out = kernel.shape
    size = x.shape[2] + sum(padding[1]) - width + 1
    beyond = -size % columns
    copies = [
        jnp.pad(kernel, ((0, 0), (i, columns - 1 - i), (0, 0), (0, 0))) for i in range(columns)
    ]
    wide = jnp.stack(copies, 3).reshape(height, width + columns - 1, into, columns * out)
    y = direct_convolution(
        x, wide, (padding[0], (padding[1][0], padding[1][1] + beyond)), stride=(1, columns)
    )
    return y.reshape(*y.shape[:2], size + beyond, out)[:, :, :size]
