"""Nearest-neighbour resizing as the official TensorFlow code does it."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Resampling = Literal["align_corners", "strided"]


def upsample_nearest(x: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 c"]:
    """Doubles height and width by repeating every pixel.

    Equal to the official ``resize`` (nearest, ``align_corners=True``) for a factor of two.
    """
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def align_corners_index(size: int, new_size: int) -> np.ndarray:
    """Source positions of nearest-neighbour sampling with ``align_corners=True``.

    The first and last samples fall on the first and last pixels, so halving 64 positions takes
    0, 2, ..., 30 and then 33, 35, ..., 63; it isn't ``[::2]``. Halves round up, as in TensorFlow.
    Integer arithmetic keeps the positions exact at every size.

    >>> align_corners_index(8, 4)
    array([0, 2, 5, 7])
    """
    if new_size == 1:
        return np.zeros(1, dtype=np.int64)
    steps = new_size - 1
    return (2 * np.arange(new_size) * (size - 1) + steps) // (2 * steps)


def downsample_nearest(
    x: Float[Array, "b h w c"],
    height: int,
    width: int,
    resampling: Resampling = "align_corners",
) -> Float[Array, "b {height} {width} c"]:
    """Samples ``x`` at ``height`` x ``width`` positions by nearest neighbour.

    ``"align_corners"`` is the resize inside the official contextual attention, which decides which
    pixels of features and mask are looked at (see :func:`align_corners_index`). ``"strided"`` takes
    position ``floor(i * size / new_size)``, every n-th, as PyTorch's ``interpolate``.
    """

    def index(size: int, new_size: int) -> np.ndarray:
        if resampling == "strided":
            return np.arange(new_size) * size // new_size
        return align_corners_index(size, new_size)

    return x[:, index(x.shape[1], height)][:, :, index(x.shape[2], width)]
