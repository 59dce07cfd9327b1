"""Pictures and masks in the kinds that people hold: files, Pillow's, NumPy's, JAX's."""

import os
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool
from PIL import Image

from jax_inpaint.images import (
    MaskOptions,
    Picture,
    as_pillow,
    from_pillow,
    hole_of,
    read_hole,
    read_picture,
)
from jax_inpaint.inference.network import FillError

# One picture or mask. Arrays are (H, W) or (H, W, channels): uint8, uint16, or floating in [0, 1];
# masks may be bool.
ImageLike = Picture | Image.Image | np.ndarray | jax.Array | str | os.PathLike[str]

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def is_batch(image: Any) -> bool:
    """Whether it is several pictures: a list or tuple of them, or an array (N, H, W, channels)."""
    return isinstance(image, list | tuple) or (_is_array(image) and image.ndim == 4)


def as_picture(image: ImageLike | Any) -> Picture:
    """One picture of any kind; where an array is floating, NaN marks what isn't known.

    Raises:
        FillError: if an array's type, shape or values aren't those of a picture.
        ImageFileError: if a file or Pillow's image can't be read.
    """
    if isinstance(image, Picture):
        return image
    if isinstance(image, Image.Image):
        return from_pillow(image)
    if isinstance(image, str | os.PathLike):
        return read_picture(image)
    if not _is_array(image):
        raise FillError(
            f"a picture is a {type(image).__name__}, but must be a path, an image of Pillow, or an "
            "array of NumPy or JAX"
        )
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[-1] not in _MODES or not pixels.size:
        raise FillError(
            f"a picture has the shape {image.shape}, but must be (height, width) or (height, "
            "width, channels) with 1 to 4 channels"
        )
    if pixels.dtype not in (np.uint8, np.uint16) and pixels.dtype.kind != "f":
        raise FillError(
            f"a picture's values are {pixels.dtype}, but must be uint8, uint16, or floating in "
            "[0, 1]"
        )
    if pixels.dtype.kind == "f":
        finite = pixels[np.isfinite(pixels)]
        if np.isinf(pixels).any() or (finite.size and (finite.min() < 0 or finite.max() > 1)):
            raise FillError(
                f"a picture's values reach from {np.nanmin(pixels):.3g} to "
                f"{np.nanmax(pixels):.3g}; floating ones must be in [0, 1]"
            )
    return Picture(pixels, _MODES[pixels.shape[-1]])


def as_hole(mask: ImageLike | Any, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """One mask of any kind as bool (H, W), True where to fill.

    Pictures and integers are hole where brighter than mid-grey; integers that are 0 and 1 only,
    where they are 1; floating values, where over 0.5. A path may name polygons (see
    :func:`~jax_inpaint.images.read_hole`).

    Raises:
        FillError: if an array isn't a mask.
        ImageFileError: if a file can't be read.
    """
    if isinstance(mask, str | os.PathLike):
        return read_hole(mask, size=size)
    if isinstance(mask, Picture | Image.Image):
        return hole_of(as_picture(mask), MaskOptions())
    if not _is_array(mask):
        raise FillError(
            f"a mask is a {type(mask).__name__}, but must be a path, an image of Pillow, or an "
            "array of NumPy or JAX"
        )
    values = np.asarray(mask)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2 and values.dtype == bool:
        return values
    if values.ndim == 2 and values.dtype.kind in "iu" and values.size and values.min() >= 0:
        if values.max() <= 1:
            return values == 1
        if values.dtype == np.uint8:
            return values > 127
        if values.dtype == np.uint16:
            return values > 32767
    if (values.ndim == 3 and values.dtype != bool) or values.dtype.kind == "f":
        # NaN would be known, silently.
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise FillError("a mask holds NaN or infinity")
        return hole_of(as_picture(values), MaskOptions())
    raise FillError(
        f"a mask has the shape {values.shape} and {values.dtype} values, but must be (height, "
        "width), bool, 0 and 1, uint8, or floating in [0, 1]"
    )


def like(picture: Picture, image: ImageLike) -> Any:
    """The picture as the kind that ``image`` is; a path gets a Picture, which can be saved."""
    if isinstance(image, Image.Image):
        return as_pillow(picture)
    if not _is_array(image):
        return picture
    pixels = picture.pixels.reshape(image.shape)  # type: ignore[union-attr]
    return jnp.asarray(pixels) if isinstance(image, jax.Array) else pixels


def each(values: Any, sizes: Sequence[tuple[int, int]], name: str) -> Sequence[Any]:
    """One of ``values`` for each picture of these sizes; a single one, or None, serves all."""
    batch = isinstance(values, list | tuple) or (
        _is_array(values)
        and (values.ndim == 4 or (values.ndim == 3 and values.shape[:2] not in sizes))
    )
    if not batch:
        return [values] * len(sizes)
    if len(values) != len(sizes):
        raise FillError(f"there are {len(sizes)} pictures, but {len(values)} {name}")
    return list(values)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | jax.Array)
