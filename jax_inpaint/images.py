"""Picture files as people have them: read upright, written atomically, channels and depth kept."""

import io
import os
import re
import secrets
import struct
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Integer, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

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
_16_BIT_RAW_MODES = re.compile("(I|LA|RGB|RGBX|RGBA);16([BLN]?)")
_OTHER_ORDER = {"B": "L", "L": "B", "N": {"little": "B", "big": "L"}[sys.byteorder]}


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
        if self.mode == "CMYK":
            colours = np.asarray(_to_pillow(self.pixels, "CMYK").convert("RGB"))
        else:
            colours = self.pixels[..., : 3 if self.mode.startswith("RGB") else 1]
        half_range = np.float32(np.iinfo(colours.dtype).max / 2)
        return np.repeat(colours / half_range - 1, 3 // colours.shape[-1], axis=-1)

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
            raw_mode = _deep_raw_mode(image)
            pixels, mode = _read_16_bit(data, image, raw_mode) if raw_mode else _read_8_bit(image)
    except FileNotFoundError:
        raise ImageFileError(f"{path}: there is no such file") from None
    except UnidentifiedImageError:
        raise ImageFileError(f"{path}: isn't a picture of a known format, or is damaged") from None
    except ImageFileError as error:
        raise ImageFileError(f"{path}: {error}") from None
    # Pillow raises TypeError for a TIFF tag of the wrong type, SyntaxError for a broken PNG.
    except (OSError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{path}: can't be read as a picture ({reason})") from error
    return Picture(pixels.reshape(*pixels.shape[:2], -1), mode, profile)


def _read_8_bit(image: Image.Image) -> tuple[np.ndarray, str]:
    upright = ImageOps.exif_transpose(image)
    mode = _CONVERTED.get(upright.mode, upright.mode)
    if "transparency" in upright.info and mode in ("L", "RGB"):
        mode += "A"
    if mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise ImageFileError(
            f"pictures with {upright.mode} pixels aren't supported; save it as grey or RGB first"
        )
    return np.asarray(upright if upright.mode == mode else upright.convert(mode)), mode


def _deep_raw_mode(image: ImageFile) -> str | None:
    """How Pillow's decoder takes the pixels of a PNG or TIFF of over 8 bits; None for others.

    The picture's own mode doesn't tell: Pillow cuts 16-bit colours down to 8.
    """
    arguments = image.tile[0].args if image.tile else None
    if isinstance(image, TiffImageFile) and isinstance(arguments, tuple):
        deep = max(image.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))) > 8
        return arguments[0] if deep else None
    if image.format == "PNG" and isinstance(arguments, str) and ";16" in arguments:
        return arguments
    return None


def _read_16_bit(data: bytes, image: ImageFile, raw_mode: str) -> tuple[np.ndarray, str]:
    known = _16_BIT_RAW_MODES.fullmatch(raw_mode)
    if not known:
        raise ImageFileError(
            f"{image.format} pictures with {raw_mode} pixels of over 8 bits aren't supported; "
            "save it as 16-bit grey or RGB, or with 8 bits per channel, first"
        )
    kind, order = known.groups()
    if kind == "I":
        pixels = _decode(data, raw_mode).astype(np.uint16)[..., None]
        tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
        if tags.get(ExifTags.Base.PhotometricInterpretation) == 0:  # white is 0
            pixels = ~pixels
    elif kind == "LA":  # of PNG only, so the high byte comes first
        pixels = _decode(data, "RGBA").view(">u2").astype(np.uint16)
    else:
        # The decoder keeps the high byte of each channel and, told the other order, the low one.
        low = _decode(data, f"{kind};16{_OTHER_ORDER[order]}")
        pixels = _decode(data, raw_mode).astype(np.uint16) << 8 | low
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[-1]]
    if "transparency" in image.info:  # the one colour that is transparent
        opaque = (pixels != image.info["transparency"]).any(axis=-1, keepdims=True)
        return np.append(pixels, opaque * np.uint16(65535), axis=-1), mode + "A"
    return pixels, mode


def _decode(data: bytes, raw_mode: str) -> np.ndarray:
    """The pixels, upright, taken as if they were stored in another way."""
    with Image.open(io.BytesIO(data)) as image:
        image.tile = [
            tile._replace(
                args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode
            )
            for tile in image.tile
        ]
        return np.asarray(ImageOps.exif_transpose(image))


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
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(_encode(picture, _format(path), quality))
        temporary.replace(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageFileError(f"{path}: can't be written ({reason})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _format(path: Path) -> str:
    return Image.registered_extensions()[path.suffix.lower()]


def _encode(picture: Picture, file_format: str, quality: int) -> bytes:
    if picture.pixels.dtype == np.uint16:
        return (_encode_16_bit_png if file_format == "PNG" else _encode_16_bit_tiff)(picture)
    options: dict = {"icc_profile": picture.icc_profile} if picture.icc_profile else {}
    if file_format == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    if file_format == "WEBP":
        options |= {"lossless": True, "exact": True}
    buffer = io.BytesIO()
    _to_pillow(picture.pixels, picture.mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def _encode_16_bit_png(picture: Picture) -> bytes:
    """PNG by hand, as Pillow writes no 16-bit colours and OpenCV no profile."""
    height, width, channels = picture.pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        length, checksum = struct.pack(">I", len(data)), zlib.crc32(kind + data)
        return length + kind + data + struct.pack(">I", checksum)

    colour_type = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}[picture.mode]
    header = struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, 0)
    rows = picture.pixels.astype(">u2").view(np.uint8).reshape(height, width, 2 * channels)
    differences = np.diff(rows, axis=1, prepend=np.uint8(0)).reshape(height, -1)
    filtered = np.insert(differences, 0, 1, axis=1)  # filter type 1, "sub", ahead of every row
    profile = picture.icc_profile
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"iCCP", b"ICC\0\0" + zlib.compress(profile)) if profile else b"",
            chunk(b"IDAT", zlib.compress(filtered.tobytes())),
            chunk(b"IEND", b""),
        ]
    )


def _encode_16_bit_tiff(picture: Picture) -> bytes:
    """TIFF of one uncompressed strip, as Pillow writes no 16-bit colours and OpenCV no profile."""
    height, width, channels = picture.pixels.shape
    pixels = picture.pixels.astype("<u2").tobytes()
    tag = ExifTags.Base
    directory = ImageFileDirectory_v2()
    directory[tag.ImageWidth] = width
    directory[tag.ImageLength] = directory[tag.RowsPerStrip] = height
    directory[tag.BitsPerSample] = (16,) * channels
    directory[tag.Compression] = 1  # none
    directory[tag.PhotometricInterpretation] = 2 if channels >= 3 else 1  # RGB, grey
    directory[tag.SamplesPerPixel] = channels
    directory[tag.StripOffsets] = 0  # counted from the end of the directory
    directory[tag.StripByteCounts] = len(pixels)
    if channels == 4:
        directory[tag.ExtraSamples] = 2  # alpha that isn't multiplied into the colours
    if picture.icc_profile:
        directory[tag.InterColorProfile] = picture.icc_profile
    buffer = io.BytesIO()
    directory.save(buffer)
    return buffer.getvalue() + pixels
