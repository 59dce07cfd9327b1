"""Picture files as people have them: read upright, written atomically, channels and depth kept."""

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Integer, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from jax_inpaint.files import write_atomically
from jax_inpaint.images_16_bit import (
    UnsupportedDepthError,
    deep_raw_mode,
    encode_16_bit,
    read_16_bit,
)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")

_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels that the encoders take

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


class ImageFileError(ValueError):
    """A picture file that can't be read or written; the message names it and says why."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    ``pixels`` has shape (H, W, C), uint8 or uint16. ``mode`` names the channels as Pillow does: L,
    LA, RGB, RGBA or CMYK (of 8 bits only). ``icc_profile`` is carried along for writing.
    """

    pixels: Integer[np.ndarray, "h w c"]
    mode: str
    icc_profile: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def rgb(self) -> Float32[np.ndarray, "h w 3"]:
        """The colours as float32 (H, W, 3) in [-1, 1]; transparency is left out."""
        colours = self._colours()
        half_range = np.float32(np.iinfo(colours.dtype).max / 2)
        return np.repeat(colours / half_range - 1, 3 // colours.shape[-1], axis=-1)

    def rgb_uint8(self) -> UInt8[np.ndarray, "h w 3"]:
        """The same as uint8: colours of 8 bits as they are, those of 16 rounded."""
        colours = self._colours()
        if colours.dtype != np.uint8:
            return to_uint8(self.rgb())
        return np.ascontiguousarray(np.broadcast_to(colours, (*self.size, 3)))

    def _colours(self) -> np.ndarray:
        """One channel or three."""
        if self.mode == "CMYK":
            return np.asarray(_to_pillow(self.pixels, "CMYK").convert("RGB"))
        return self.pixels[..., : 3 if self.mode.startswith("RGB") else 1]

    def filled(self, rgb: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> "Picture":
        """This picture with the pixels of ``hole`` (H, W) replaced by ``rgb`` (H, W, 3) in [-1, 1].

        All other pixels, and transparency everywhere, stay as they are, bit for bit.
        """
        if self.mode == "CMYK":
            colours = np.asarray(_to_pillow(to_uint8(rgb), "RGB").convert("CMYK"))
        elif self.mode.startswith("RGB"):
            colours = _to_integers(rgb, self.pixels.dtype)
        else:
            luma = rgb @ np.array([[0.299], [0.587], [0.114]], rgb.dtype)  # ITU-R BT.601
            colours = _to_integers(luma, self.pixels.dtype)
        pixels = self.pixels.copy()
        pixels[..., : colours.shape[-1]][hole] = colours[hole]
        return replace(self, pixels=pixels)


def read_hole(path: str | os.PathLike[str]) -> np.ndarray:
    """A mask file as bool (H, W), True where brighter than mid-grey. Raises ImageFileError."""
    return read_picture(path).rgb().mean(axis=-1) > 0


def from_uint8(image: UInt8[Array, "*b h w c"]) -> Float32[Array, "*b h w c"]:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return image.astype(jnp.float32) / 127.5 - 1


def to_uint8(image: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Values in [-1, 1] to uint8, rounded and clipped."""
    return _to_integers(image, np.dtype(np.uint8))


def _to_integers(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.clip(np.rint((image + 1) * (top / 2)), 0, top).astype(dtype)


def _to_pillow(pixels: np.ndarray, mode: str) -> Image.Image:
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Reads any picture that Pillow can, and 16-bit PNG and TIFF; turns it upright as EXIF says.

    Palettes become RGB or RGBA, black-and-white becomes grey; of an animation, the first frame.

    Raises:
        ImageFileError: if the file is missing, damaged, no picture, or of an unsupported kind.
    """
    try:
        data = Path(path).read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            profile = image.info.get("icc_profile")
            raw_mode = deep_raw_mode(image)
            if raw_mode:
                pixels, mode = read_16_bit(data, image, raw_mode)
            else:
                pixels, mode = _read_jpeg(data, image) or _read_8_bit(image)
    except FileNotFoundError:
        raise ImageFileError(f"{path}: there is no such file") from None
    except UnidentifiedImageError:
        raise ImageFileError(f"{path}: isn't a picture of a known format, or is damaged") from None
    except (ImageFileError, UnsupportedDepthError) as error:
        raise ImageFileError(f"{path}: {error}") from None
    # Pillow raises TypeError for a TIFF tag of the wrong type, SyntaxError for a broken PNG.
    except (OSError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{path}: can't be read as a picture ({reason})") from error
    return Picture(pixels.reshape(*pixels.shape[:2], -1), mode, profile)


def _read_jpeg(data: bytes, image: Image.Image) -> tuple[np.ndarray, str] | None:
    """The pixels of a plain JPEG by OpenCV, which takes two thirds of Pillow's time for the same.

    None for files that Pillow must see to: turned, in other colours, or cut off, which OpenCV
    doesn't mind.
    """
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    if image.format != "JPEG" or image.mode != "RGB" or turned or not data.endswith(b"\xff\xd9"):
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    return None if pixels is None else (pixels, "RGB")


def _read_8_bit(image: Image.Image) -> tuple[np.ndarray, str]:
    ImageOps.exif_transpose(image, in_place=True)
    mode = _CONVERTED.get(image.mode, image.mode)
    if "transparency" in image.info and mode in ("L", "RGB"):
        mode += "A"
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise ImageFileError(
            f"pictures with {image.mode} pixels aren't supported; save it as grey or RGB first"
        )
    return np.asarray(image if image.mode == mode else image.convert(mode)), mode


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
    if not os.access(path.parent, os.F_OK):
        raise ImageFileError(f"{path}: the folder {path.parent} doesn't exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ImageFileError(f"{path}: {path.parent} isn't a folder that you may write to")
    if os.path.lexists(path) and not force:
        raise ImageFileError(f"{path}: exists already; --force replaces it")
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


def is_lossless(path: str | os.PathLike[str]) -> bool:
    """Whether a picture written to this name comes back bit for bit."""
    return Path(path).suffix.lower() not in (".jpg", ".jpeg")


def write_picture(
    path: str | os.PathLike[str], picture: Picture, force: bool = False, quality: int = 95
) -> None:
    """Writes a picture in its own channels and depth, atomically; WebP is written lossless.

    The ICC profile goes along, except into BMP, which has no place for it.

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
    if picture.pixels.dtype == np.uint16:
        return encode_16_bit(picture.pixels, picture.icc_profile, file_format)
    options: dict = {"icc_profile": picture.icc_profile} if picture.icc_profile else {}
    if file_format == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    if file_format == "WEBP":
        options |= {"lossless": True, "exact": True}
    buffer = io.BytesIO()
    _to_pillow(picture.pixels, picture.mode).save(buffer, file_format, **options)
    return buffer.getvalue()
