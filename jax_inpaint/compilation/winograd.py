"""3x3 convolutions by Winograd's minimal filtering: fewer multiplications, as matrix products.

An m x m tile of outputs comes from an (m + 2) x (m + 2) tile of inputs by (m + 2)^2 products for
each pair of channels instead of 9 m^2: 2.25 times fewer for m = 2, 4 times for m = 4. Around them
stand additions only, so it pays where there are many channels. A dilated convolution is the same on
every d-th pixel. Rounding errors of m = 2 are those of a direct convolution; those of m = 4 are ten
times as large, 1e-5 of the largest value, and it serves for gradients of kernels only.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), section 4.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_inpaint.compilation.direct import Padding

INPUT = {
    2: np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]),
    4: np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
    ),
}
KERNEL = {
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
    4: np.array(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ]
    ),
}
OUTPUT = {
    2: np.array([[1, 1, 1, 0], [0, 1, -1, -1]]),
    4: np.array(
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    ),
}


def winograd_convolution(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "3 3 c o"],
    padding: Padding,
    dilation: int = 1,
    tile: int = 2,
) -> Float[Array, "b p q o"]:
    """Convolution at stride 1; ``padding`` is zeros before and after, of rows and of columns."""
    size = _output_size(x, padding, dilation)
    counts = _tile_counts(size, tile, dilation)
    by_rows = _combine(KERNEL[tile], list(kernel))
    kernels = [_combine(KERNEL[tile], list(row)) for row in by_rows]
    products = [
        [jnp.einsum("bpdqec,co->bpdqeo", v, k) for v, k in zip(*pair, strict=True)]
        for pair in zip(_input_tiles(x, padding, dilation, tile, counts), kernels, strict=True)
    ]
    rows = [_combine(OUTPUT[tile], row) for row in products]
    columns = [_combine(OUTPUT[tile], column) for column in zip(*rows, strict=True)]
    # columns[j][i]: (b, tile row, phase, tile column, phase, o), output i, j of every tile
    y = jnp.stack([jnp.stack(parts, 2) for parts in columns], 5)
    height, width = (count * tile * dilation for count in counts)
    return y.reshape(x.shape[0], height, width, -1)[:, : size[0], : size[1]]


def winograd_kernel_gradient(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b p q o"],
    padding: Padding,
    dilation: int = 1,
    tile: int = 4,
) -> Float[Array, "3 3 c o"]:
    """Gradient of :func:`winograd_convolution` with respect to its kernel."""
    counts = _tile_counts(_output_size(x, padding, dilation), tile, dilation)
    inputs = _input_tiles(x, padding, dilation, tile, counts)
    (bottom, right) = (
        count * tile * dilation - size
        for count, size in zip(counts, gradient.shape[1:3], strict=True)
    )
    gradient = jnp.pad(gradient, ((0, 0), (0, bottom), (0, right), (0, 0)))
    batch, channels = gradient.shape[0], gradient.shape[3]
    gradient = gradient.reshape(
        batch, counts[0], tile, dilation, counts[1], tile, dilation, channels
    )
    spread = OUTPUT[tile].T
    by_rows = _combine(spread, [gradient[:, :, i] for i in range(tile)])
    outputs = [_combine(spread, [row[:, :, :, :, j] for j in range(tile)]) for row in by_rows]
    products = [
        [
            jnp.einsum("nc,no->co", v.reshape(-1, v.shape[-1]), p.reshape(-1, channels))
            for v, p in zip(*pair, strict=True)
        ]
        for pair in zip(inputs, outputs, strict=True)
    ]
    rows = [_combine(KERNEL[tile].T, row) for row in products]
    columns = [_combine(KERNEL[tile].T, column) for column in zip(*rows, strict=True)]
    return jnp.stack([jnp.stack(column) for column in columns], 1)


def _output_size(x: Array, padding: Padding, dilation: int) -> list[int]:
    return [n + sum(p) - 2 * dilation for n, p in zip(x.shape[1:3], padding, strict=True)]


def _tile_counts(size: Sequence[int], tile: int, dilation: int) -> list[int]:
    return [-(-n // (tile * dilation)) for n in size]


def _input_tiles(
    x: Array, padding: Padding, dilation: int, tile: int, counts: Sequence[int]
) -> list[list[Array]]:
    """Transformed tiles [u][v], each (b, tile row, phase, tile column, phase, c)."""
    batch, *size, channels = x.shape
    blocks = [count + 1 for count in counts]
    step = tile * dilation
    borders = [
        (before, block * step - n - before, 0)
        for block, n, (before, _) in zip(blocks, size, padding, strict=True)
    ]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *borders, (0, 0, 0)])
    x = x.reshape(batch, blocks[0], tile, dilation, blocks[1], tile, dilation, channels)

    def row(i: int) -> Array:
        return x[:, i // tile : i // tile + counts[0], i % tile]

    def column(x: Array, j: int) -> Array:
        return x[:, :, :, j // tile : j // tile + counts[1], j % tile]

    rows = _combine(INPUT[tile], [row(i) for i in range(tile + 2)])
    return [_combine(INPUT[tile], [column(r, j) for j in range(tile + 2)]) for r in rows]


def _combine(matrix: np.ndarray, arrays: Sequence[Array]) -> list[Array]:
    """Sums of arrays with small constant factors; zeros and ones cost nothing."""

    def scaled(factor: float, array: Array) -> Array:
        return array if factor == 1 else -array if factor == -1 else factor * array

    return [
        reduce(add, [scaled(f, a) for f, a in zip(row, arrays, strict=True) if f])
        for row in matrix.astype(float).tolist()
    ]
