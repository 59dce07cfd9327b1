"""Positions of a feature map and their neighbours, cut into tiles.

Positions are numbered row by row. Fusing scores looks beyond the map: beside it, numbering runs on
into the next row, and above and below it, numbering column by column runs on into the next column.
Maps are widened by such positions, so that one shift leads from every position to its neighbour.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Numbers = Int[Array | np.ndarray, "*p"]


def tile_shape(h: int, w: int, parts: bool = False) -> tuple[int, int]:
    """Rows and columns of the queries that are scored at once: a small map whole, else about 16x32.

    A tile holds a few matrices of its size times the map's. Smaller tiles repeat more of what
    their neighbours compute (two positions on every side); larger ones are no faster. Where only
    ``parts`` of the map are wanted, tiles of 8x16 follow them more closely.
    """
    if h * w <= 32 * 32:
        return h, w

    def even_share(size: int, most: int) -> int:
        return -(-size // -(-size // most))

    rows, columns = (8, 16) if parts else (16, 32)
    return even_share(h, rows), even_share(w, columns)


def tiles_of_queries(
    h: int, w: int, rows: int, columns: int, halo: int
) -> tuple[Int[np.ndarray, "t r c"], Bool[np.ndarray, "t y x"]]:
    """Numbers of the positions in each tile of so many rows and columns, and which are its own.

    On every side numbers come with ``halo - 1`` more rows and ``halo`` more columns, which is how
    far scores look, and the second with one more of either. What is beyond the map is no one's.
    """
    row = np.arange(0, h, rows)[:, None, None, None]
    column = np.arange(0, w, columns)[:, None, None]

    def around(margin_rows: int, margin_columns: int) -> tuple[np.ndarray, np.ndarray]:
        return (
            row + np.arange(-margin_rows, rows + margin_rows)[:, None],
            column + np.arange(-margin_columns, columns + margin_columns),
        )

    numbers = _number(*around(halo - 1, halo), h, w)
    r, c = around(0, 0)
    inside = np.pad((r < h) & (c < w), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return numbers.reshape(-1, *numbers.shape[2:]), inside.reshape(-1, *inside.shape[2:])


def row_of_keys(h: int, w: int, halo: int) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " s"]]:
    """Numbers of the keys on the widened map, row by row, and of those left when scores are done.

    Each sum over neighbours uses up as many keys at both ends as the neighbours are away: one, and
    for fusing another one and then a row. Of those left, what isn't on the map is -1.
    """
    rows, columns = np.ogrid[-halo : h + halo, -halo : w + halo]
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    numbers = _number(rows, columns, h, w)
    used = 1 if halo == 1 else 2 + w + 2 * halo
    left = np.pad(np.where(inside, numbers, -1).ravel(), 1, constant_values=-1)[used:-used]
    return np.pad(numbers.ravel(), 1, constant_values=-1), left


def _number(rows: np.ndarray, columns: np.ndarray, h: int, w: int) -> np.ndarray:
    beyond = np.where(rows < 0, h * w - 1, np.where(rows >= h, 1 - h * w, 0))
    return (rows * w + columns + beyond).astype(np.int32)


def take(x: Float[Array, "b n c"], numbers: Numbers) -> Float[Array, "b *p c"]:
    """The features at positions with these numbers, 0 where there's no such position."""
    n = x.shape[1]
    exists = (numbers >= 0) & (numbers < n)
    return jnp.take(x, jnp.where(exists, numbers, n), axis=1, mode="fill", fill_value=0)


def take_columns(x: Float[Array, "b n c"], numbers: Numbers, w: int) -> Float[Array, "b *p 3*c"]:
    """Side by side the features above, at and below the positions; 0 where there's no position."""
    exists = (numbers >= 0) & (numbers < x.shape[1])
    rows = [take(x, jnp.where(exists, numbers + step, -1)) for step in (-w, 0, w)]
    return jnp.concatenate(rows, axis=-1)
