"""Picture files as people have them: read upright, written atomically, channels and depth kept."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")

_EXIF_ORIENTATION = 0x0112
# What brings a stored picture of each EXIF orientation upright.
_UPRIGHT = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
# Pillow's kinds with a colour table, premultiplied alpha or another colour space, and what for them.
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
    LA, RGB, RGBA or CMYK. ``icc_profile`` is carried along for writing.
    """

    pixels: np.ndarray
    mode: str
    icc_profile: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def rgb(self) -> np.ndarray:
        """The colours as float32 (H, W, 3) in [-1, 1]; transparency is left out."""
        if self.mode == "CMYK":
            colours = np.asarray(Image.fromarray(self.pixels, "CMYK").convert("RGB"))
        else:
            colours = self.pixels[..., : 3 if self.mode.startswith("RGB") else 1]
        half_range = np.float32(np.iinfo(colours.dtype).max / 2)
        return np.repeat(colours / half_range - 1, 3 // colours.shape[-1], axis=-1)

    def filled(self, rgb: np.ndarray, hole: np.ndarray) -> "Picture":
        """This picture with the pixels of ``hole`` (H, W) replaced by ``rgb`` (H, W, 3) in [-1, 1].

        All other pixels, and transparency everywhere, stay as they are, bit for bit.
        """
        if self.mode == "CMYK":
            colours = np.asarray(Image.fromarray(to_uint8(rgb), "RGB").convert("CMYK"))
        elif self.mode.startswith("RGB"):
            colours = _to_integers(rgb, self.pixels.dtype)
        else:
            luma = rgb @ np.array([[0.299], [0.587], [0.114]], rgb.dtype)  # ITU-R BT.601
            colours = _to_integers(luma, self.pixels.dtype)
        pixels = self.pixels.copy()
        pixels[..., : colours.shape[-1]][hole] = colours[hole]
        return replace(self, pixels=pixels)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Values in [-1, 1] to uint8, rounded and clipped."""
    return _to_integers(image, np.dtype(np.uint8))


def _to_integers(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.clip(np.rint((image + 1) * (top / 2)), 0, top).astype(dtype)


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Reads any picture that Pillow can, and 16-bit PNG and TIFF; turns it upright as EXIF says.

    Palettes become RGB or RGBA, black-and-white becomes grey; of an animation, the first frame.

    Raises:
        ImageFileError: if the file is missing, damaged, no picture, or of an unsupported kind.
    """
    try:
        with Image.open(path) as image:
            profile = image.info.get("icc_profile")
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
            # Pillow would silently cut 16-bit colour down to 8.
            deep = bool(image.tile) and "16" in str(image.tile[0].args)
            pixels, mode = _read_16_bit(path) if deep else _read_8_bit(image)
    except FileNotFoundError:
        raise ImageFileError(f"{path}: there is no such file") from None
    except ImageFileError as error:
        raise ImageFileError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, cv2.error) as error:
        raise ImageFileError(f"{path}: can't be read as a picture ({error})") from error
    pixels = np.ascontiguousarray(_UPRIGHT.get(orientation, np.asarray)(pixels))
    return Picture(pixels.reshape(*pixels.shape[:2], -1), mode, profile)


def _read_8_bit(image: Image.Image) -> tuple[np.ndarray, str]:
    mode = _CONVERTED.get(image.mode, image.mode)
    if "transparency" in image.info and mode in ("L", "RGB"):
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise ImageFileError(
            f"pictures with {image.mode} pixels aren't supported; save it as grey or RGB first"
        )
    return np.asarray(image if image.mode == mode else image.convert(mode)), mode


def _read_16_bit(path: str | os.PathLike[str]) -> tuple[np.ndarray, str]:
    pixels = cv2.imread(os.fspath(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise ImageFileError("this kind of 16-bit picture isn't supported; save it as PNG first")
    if pixels.ndim == 2:
        return pixels, "L"
    if pixels.shape[-1] == 3:
        return pixels[..., ::-1], "RGB"
    return pixels[..., [2, 1, 0, 3]], "RGBA"


def check_writable(path: str | os.PathLike[str], picture: Picture, force: bool = False) -> None:
    """Finds out before the work whether :func:`write_picture` could write ``path``.

    Raises:
        ImageFileError: if the suffix isn't known or can't hold the picture, the folder doesn't
            exist, or the file does and ``force`` isn't set.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ImageFileError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise ImageFileError(f"{path}: the folder {path.parent} doesn't exist")
    if path.exists() and not force:
        raise ImageFileError(f"{path}: exists already; --force replaces it")
    if picture.pixels.dtype == np.uint16 and suffix not in (".png", ".tif", ".tiff"):
        raise ImageFileError(f"{path}: 16 bits per channel need .png or .tif")
    if picture.mode in ("LA", "RGBA") and suffix not in (".png", ".webp", ".tif", ".tiff"):
        raise ImageFileError(f"{path}: transparency needs .png, .webp or .tif")
    if picture.mode == "CMYK" and suffix not in (".tif", ".tiff", ".jpg", ".jpeg"):
        raise ImageFileError(f"{path}: CMYK colours need .tif or .jpg")


def is_lossless(path: str | os.PathLike[str]) -> bool:
    """Whether a picture written to this name comes back bit for bit."""
    return Path(path).suffix.lower() not in (".jpg", ".jpeg")


def write_picture(
    path: str | os.PathLike[str], picture: Picture, force: bool = False, quality: int = 95
) -> None:
    """Writes a picture in its own channels and depth, atomically; WebP is written lossless.

    Args:
        path: its suffix decides the format.
        picture: what to write.
        force: replace a file that exists.
        quality: of JPEG, up to 100.

    Raises:
        ImageFileError: as :func:`check_writable`.
    """
    check_writable(path, picture, force)
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        if picture.pixels.dtype == np.uint16:
            order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[picture.pixels.shape[-1]]
            cv2.imwrite(temporary, picture.pixels[..., order])
        else:
            options: dict = {"icc_profile": picture.icc_profile} if picture.icc_profile else {}
            if path.suffix.lower() in (".jpg", ".jpeg"):
                options |= {"quality": quality, "subsampling": 0}
            if path.suffix.lower() == ".webp":
                options |= {"lossless": True, "exact": True}
            squeezed = picture.pixels[..., 0] if picture.mode == "L" else picture.pixels
            Image.fromarray(squeezed, picture.mode).save(temporary, **options)
        _give_default_permissions(temporary)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _give_default_permissions(path: str) -> None:
    """mkstemp makes files private; a picture should be as readable as any other new file."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(path, 0o666 & ~umask)
