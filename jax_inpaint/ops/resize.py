"""Resizing: by nearest neighbour as the official TensorFlow code does it, and bilinear."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Resampling = Literal["align_corners", "strided"]


def upsample_nearest(x: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 c"]:
    """Doubles height and width by repeating every pixel.

    Equal to the official ``resize`` (nearest, ``align_corners=True``) for a factor of two.
    """
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def upsample_convolution(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k l c o"],
    padding: Sequence[tuple[int, int]],
) -> Float[Array, "b p q o"]:
    """Convolution of :func:`upsample_nearest` ``(x)``, worked out before pixels are repeated.

    Outputs in the same phase (even or odd row, even or odd column) see repeated pixels under the
    same taps of the kernel, which are added up beforehand: four kernels of 2x2 take the place of
    one of 3x3, with 4/9 of the multiplications.

    Args:
        x: features before upsampling.
        kernel: any size.
        padding: zeros before and after the upsampled rows and columns, ``kernel size - 1``
            together.
    """

    def phase(a: int, b: int) -> Array:
        merged, rows = _taps_of_phase(kernel, 0, a - padding[0][0])
        merged, columns = _taps_of_phase(merged, 1, b - padding[1][0])
        return jax.lax.conv_general_dilated(
            x, merged, (1, 1), (rows, columns), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    rows = [jnp.stack([phase(a, b) for b in range(2)], axis=3) for a in range(2)]
    y = jnp.stack(rows, axis=2)
    batch, height, _, width, _, features = y.shape
    return y.reshape(batch, 2 * height, 2 * width, features)


def _taps_of_phase(
    kernel: Float[Array, "k l c o"], axis: int, first: int
) -> tuple[Float[Array, "m n c o"], tuple[int, int]]:
    """Taps along an axis that meet the same pixel, added up; the zeros before and after.

    ``first`` is where the first tap falls, counted in upsampled pixels from the output's own.
    """
    taps = jnp.moveaxis(kernel, axis, 0)
    pixels = [(first + tap) // 2 for tap in range(len(taps))]
    met = range(pixels[0], pixels[-1] + 1)
    sums = [sum(t for t, p in zip(taps, pixels, strict=True) if p == pixel) for pixel in met]
    return jnp.moveaxis(jnp.stack(sums), 0, axis), (-met[0], met[-1])


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


def resize_bilinear(
    x: Float[Array, "b h w c"],
    height: int,
    width: int,
    sizes: Int[Array, "b 2"] | None = None,
) -> Float[Array, "b {height} {width} c"]:
    """Images at another size, each value between the four pixels next to it; no antialiasing.

    Equal to PyTorch's ``interpolate(mode="bilinear", align_corners=False)``.

    Args:
        x: images, padded to one size where theirs differ.
        height: of the result.
        width: of the result.
        sizes: height and width of each image's own part, at its top left, at least 1 and at most
            those of ``x``; nothing else is looked at. None: all of it.
    """
    if sizes is None:
        sizes = jnp.tile(jnp.array(x.shape[1:3]), (len(x), 1))
    x = jax.vmap(partial(_interpolate, new_size=height))(x, sizes[:, 0])
    x = jax.vmap(partial(_interpolate, new_size=width))(jnp.swapaxes(x, 1, 2), sizes[:, 1])
    return jnp.swapaxes(x, 1, 2)


def _interpolate(
    lines: Float[Array, "n m c"], size: Int[Array, ""], new_size: int
) -> Float[Array, "{new_size} m c"]:
    """The first ``size`` lines as ``new_size`` ones."""
    # The middle of line i lies at (i + 1/2) * size / new_size - 1/2. In whole parts of a line,
    # 2 * new_size of them, it is exact at every size.
    parts = 2 * new_size
    place = (2 * jnp.arange(new_size) + 1) * size - new_size
    place = jnp.clip(place, 0, parts * (size - 1))
    before = place // parts
    share = ((place % parts) / parts).astype(lines.dtype)[:, None, None]
    after = jnp.minimum(before + 1, size - 1)
    return lines[before] * (1 - share) + lines[after] * share
