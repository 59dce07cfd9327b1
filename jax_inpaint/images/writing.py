"""Writing picture files."""

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jax_inpaint.files import write_atomically
from jax_inpaint.images.deep import encode_16_bit
from jax_inpaint.images.metadata import png_texts, tiff_tags
from jax_inpaint.images.picture import Picture, to_pillow
from jax_inpaint.images.reading import ImageFileError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")

_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels that the encoders take
_LONGEST_SEGMENT = 65_000  # bytes, somewhat less than a JPEG can hold


def check_writable(path: str | os.PathLike[str], picture: Picture, force: bool = False) -> None:
    """Finds out before the work whether :func:`write_picture` could write ``path``.

    Raises:
        ImageFileError: if the suffix isn't known or can't hold the picture, the folder doesn't
            exist or takes no files, or the file exists and ``force`` isn't set.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ImageFileError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}")
    check_output(path, force)
    deep = picture.pixels.dtype == np.uint16
    if deep and suffix not in (".png", ".tif", ".tiff"):
        raise ImageFileError(f"{path}: 16 bits per channel need .png or .tif")
    if deep and picture.mode == "LA" and suffix != ".png":
        raise ImageFileError(f"{path}: 16-bit grey with transparency needs .png")
    if picture.mode in ("LA", "RGBA") and suffix not in (".png", ".webp", ".tif", ".tiff"):
        raise ImageFileError(f"{path}: transparency needs .png, .webp or .tif")
    if picture.mode == "CMYK" and suffix not in (".tif", ".tiff", ".jpg", ".jpeg"):
        raise ImageFileError(f"{path}: CMYK colours need .tif or .jpg")
    longest = _LONGEST_SIDE.get(_format(path))
    if longest and max(picture.size) > longest:
        height, width = picture.size
        raise ImageFileError(
            f"{path}: {suffix} takes sides of up to {longest} pixels, the picture is "
            f"{width}x{height}; .png takes it"
        )


def check_output(path: str | os.PathLike[str], force: bool = False) -> None:
    """Whether a file may be written there; raises ImageFileError with the reason if not."""
    path = Path(path)
    if not os.access(path.parent, os.F_OK):
        raise ImageFileError(f"{path}: the folder {path.parent} doesn't exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ImageFileError(f"{path}: {path.parent} isn't a folder that you may write to")
    if os.path.lexists(path) and not force:
        raise ImageFileError(f"{path}: exists already; --force replaces it")


def is_lossless(path: str | os.PathLike[str]) -> bool:
    """Whether a picture written to this name comes back bit for bit."""
    return Path(path).suffix.lower() not in (".jpg", ".jpeg")


def write_picture(
    path: str | os.PathLike[str], picture: Picture, force: bool = False, quality: int = 95
) -> None:
    """Writes a picture in its own channels and depth, atomically; WebP is written lossless.

    Its metadata goes along as far as the format has a place for it: BMP keeps the resolution only,
    text is PNG's, and EXIF and XMP of over 64 kB don't fit into JPEG.

    Args:
        path: its suffix decides the format.
        picture: what to write.
        force: replace a file that exists.
        quality: of JPEG, up to 100.

    Raises:
        ImageFileError: as :func:`check_writable`, or if the encoder or the disk fails.
    """
    check_writable(path, picture, force)
    path = Path(path)
    try:
        write_atomically(path, _encode(picture, _format(path), quality))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{path}: can't be written ({reason})") from error


def _format(path: Path) -> str:
    return Image.registered_extensions()[path.suffix.lower()]


def _encode(picture: Picture, file_format: str, quality: int) -> bytes:
    carried = picture.metadata
    if picture.pixels.dtype == np.uint16:
        return encode_16_bit(picture.pixels, carried, file_format)
    options: dict[str, Any] = {}
    if file_format == "JPEG":  # each is one segment, whose length has 16 bits
        carried = replace(
            carried,
            exif=carried.exif if len(carried.exif or b"") < _LONGEST_SEGMENT else None,
            xmp=carried.xmp if len(carried.xmp or b"") < _LONGEST_SEGMENT else None,
        )
    if file_format != "BMP":
        options = {"icc_profile": carried.icc_profile, "exif": carried.exif}
    if file_format != "WEBP":
        options["dpi"] = carried.dpi
    if file_format in ("JPEG", "WEBP"):
        options["xmp"] = carried.xmp
    if file_format == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    if file_format == "WEBP":
        options |= {"lossless": True, "exact": True}
    if file_format == "PNG":
        options["pnginfo"] = png_texts(carried)
    if file_format == "TIFF":
        options["tiffinfo"] = tiff_tags(carried)
    options = {name: value for name, value in options.items() if value is not None}
    buffer = io.BytesIO()
    to_pillow(picture.pixels, picture.mode).save(buffer, file_format, **options)
    return buffer.getvalue()
