"""Reading picture files."""

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from jax_inpaint.errors import UserError
from jax_inpaint.images.deep import UnsupportedDepthError, deep_raw_mode, read_16_bit
from jax_inpaint.images.metadata import Metadata, orientation, read_metadata, upright
from jax_inpaint.images.picture import Picture

# Pillow's kinds with a colour table, premultiplied alpha or other colour spaces, and what for them.
_CONVERTED = {
    "1": "L",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}


# A file of a few bytes can claim any size. Cameras take up to 200 million pixels at once; this many
# are 0.75 GB as RGB.
MOST_PIXELS = 250_000_000
# Pillow's own limit begins to warn at a third of that.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS

_TOO_LARGE = f"pictures of more than {MOST_PIXELS // 10**6} million pixels aren't read"

# Other formats are rare, and their decoders less tried; EPS would start Ghostscript.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")


class ImageFileError(UserError):
    """A picture file that can't be read or written; the message names it and says why."""


def read_picture(path: str | os.PathLike[str], metadata: bool = True) -> Picture:
    """Reads a PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 or PPM; turns it upright.

    PNG and TIFF may have 16 bits. Palettes become RGB or RGBA, black-and-white becomes grey; of an
    animation, the first frame.

    Args:
        path: the file.
        metadata: whether to keep what it carries beside its pixels, which takes a moment.

    Raises:
        ImageFileError: if the file is missing, damaged, no picture, of an unsupported kind, or of
            more than :data:`MOST_PIXELS` pixels.
    """
    with _telling_what_is_wrong(path):
        return _decode(Path(path).read_bytes(), metadata)


def decode_picture(data: bytes, name: str, metadata: bool = True) -> Picture:
    """:func:`read_picture` of a file's content; ``name`` is what errors call it."""
    with _telling_what_is_wrong(name):
        return _decode(data, metadata)


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of a picture file, upright, from its header. Raises ImageFileError."""
    with _telling_what_is_wrong(path), _opened(path) as image:
        turned = orientation(image) in range(5, 9)
        # By a TIFF's own tag, though not by its XMP, Pillow has turned the size already.
        if isinstance(image, TiffImageFile):
            turned &= image.tag_v2.get(ExifTags.Base.Orientation) not in range(5, 9)
        return image.size if turned else image.size[::-1]


def from_pillow(image: Image.Image) -> Picture:
    """A picture that Pillow holds, upright; what it carries goes along.

    Raises:
        ImageFileError: if its pixels are of an unsupported kind, or its file turns out damaged.
    """
    with _telling_what_is_wrong("the image"):
        carried = read_metadata(image)
        if image.mode.startswith("I;16"):
            pixels, mode = np.asarray(upright(image)).astype(np.uint16), "L"
        else:
            pixels, mode = _read_8_bit(image)
    return Picture(pixels.reshape(*pixels.shape[:2], -1), mode, carried)


def _decode(data: bytes, metadata: bool) -> Picture:
    with _opened(io.BytesIO(data)) as image:
        raw_mode = deep_raw_mode(image)
        carried = read_metadata(image) if metadata else Metadata()
        if raw_mode:
            pixels, mode = read_16_bit(data, image, raw_mode)
        else:
            pixels, mode = _read_jpeg(data, image) or _read_8_bit(image)
    return Picture(pixels.reshape(*pixels.shape[:2], -1), mode, carried)


@contextlib.contextmanager
def _opened(file: str | os.PathLike[str] | io.BytesIO) -> Iterator[ImageFile]:
    """A picture file whose header was read, and no more."""
    with Image.open(file, formats=_FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ImageFileError(f"it claims to be {image.width}x{image.height}; {_TOO_LARGE}")
        yield image


@contextlib.contextmanager
def _telling_what_is_wrong(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns what Pillow and the system raise into an ImageFileError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise ImageFileError(f"{path}: there is no such file") from None
    except UnidentifiedImageError:
        raise ImageFileError(f"{path}: isn't a picture of a known format, or is damaged") from None
    except (ImageFileError, UnsupportedDepthError) as error:
        raise ImageFileError(f"{path}: {error}") from None
    # Pillow looks first, and raises the warning where warnings are errors.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageFileError(f"{path}: it claims to be very large; {_TOO_LARGE}") from None
    # Pillow raises TypeError for a TIFF tag of the wrong type, SyntaxError for a broken PNG,
    # RuntimeError for a broken AVIF.
    except (
        OSError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
        cv2.error,
    ) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{path}: can't be read as a picture ({reason})") from error


def _read_jpeg(data: bytes, image: Image.Image) -> tuple[np.ndarray, str] | None:
    """The pixels of a plain JPEG by OpenCV, which takes two thirds of Pillow's time for the same.

    None for files that Pillow must see to: turned, in other colours, or cut off, which OpenCV
    doesn't mind.
    """
    plain = image.format == "JPEG" and image.mode == "RGB" and orientation(image) == 1
    if not (plain and data.endswith(b"\xff\xd9")):
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    return None if pixels is None else (pixels, "RGB")


def _read_8_bit(image: Image.Image) -> tuple[np.ndarray, str]:
    image = upright(image)
    mode = _CONVERTED.get(image.mode, image.mode)
    if "transparency" in image.info and mode in ("L", "RGB"):
        mode += "A"
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise ImageFileError(
            f"pictures with {image.mode} pixels aren't supported; save it as grey or RGB first"
        )
    return np.asarray(image if image.mode == mode else image.convert(mode)), mode
