"""16-bit PNG and TIFF: Pillow cuts them to 8 bits, OpenCV strips their colour profile."""

import io
import re
import struct
import sys
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from jax_inpaint.images.metadata import Metadata, png_texts, tiff_tags, upright

_16_BIT_RAW_MODES = re.compile("(I|LA|RGB|RGBX|RGBA);16([BLN]?)")
_OTHER_ORDER = {"B": "L", "L": "B", "N": {"little": "B", "big": "L"}[sys.byteorder]}


class UnsupportedDepthError(ValueError):
    """A picture of over 8 bits of a kind that isn't read."""


def deep_raw_mode(image: ImageFile) -> str | None:
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


def read_16_bit(data: bytes, image: ImageFile, raw_mode: str) -> tuple[np.ndarray, str]:
    """Pixels, uint16 and upright, and their mode, of a file and the picture opened from it."""
    known = _16_BIT_RAW_MODES.fullmatch(raw_mode)
    if not known:
        raise UnsupportedDepthError(
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
        return np.asarray(upright(image))


def encode_16_bit(pixels: np.ndarray, metadata: Metadata, file_format: str) -> bytes:
    """A PNG or TIFF file of uint16 pixels (H, W, C) with what goes along."""
    encode = _encode_16_bit_png if file_format == "PNG" else _encode_16_bit_tiff
    return encode(pixels, metadata)


def _encode_16_bit_png(pixels: np.ndarray, metadata: Metadata) -> bytes:
    """PNG by hand, as Pillow writes no 16-bit colours and OpenCV no profile."""
    height, width, channels = pixels.shape

    def chunk(kind: bytes, data: bytes) -> bytes:
        length, checksum = struct.pack(">I", len(data)), zlib.crc32(kind + data)
        return length + kind + data + struct.pack(">I", checksum)

    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, 0)
    rows = pixels.astype(">u2").view(np.uint8).reshape(height, width, 2 * channels)
    differences = np.diff(rows, axis=1, prepend=np.uint8(0)).reshape(height, -1)
    filtered = np.insert(differences, 0, 1, axis=1)  # filter type 1, "sub", ahead of every row
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *(chunk(kind, data) for kind, data in _metadata_chunks(metadata)),
            chunk(b"IDAT", zlib.compress(filtered.tobytes())),
            chunk(b"IEND", b""),
        ]
    )


def _metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    if metadata.icc_profile:
        yield b"iCCP", b"ICC\0\0" + zlib.compress(metadata.icc_profile)
    if metadata.dpi:
        across, down = (round(dpi / 0.0254) for dpi in metadata.dpi)  # pixels a metre
        yield b"pHYs", struct.pack(">2IB", across, down, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif.removeprefix(b"Exif\0\0")
    for kind, data, _ in png_texts(metadata).chunks:
        yield kind, data


def _encode_16_bit_tiff(pixels: np.ndarray, metadata: Metadata) -> bytes:
    """TIFF of one uncompressed strip, as Pillow writes no 16-bit colours and OpenCV no profile."""
    height, width, channels = pixels.shape
    data = pixels.astype("<u2").tobytes()
    tag = ExifTags.Base
    directory = ImageFileDirectory_v2()
    directory[tag.ImageWidth] = width
    directory[tag.ImageLength] = directory[tag.RowsPerStrip] = height
    directory[tag.BitsPerSample] = (16,) * channels
    directory[tag.Compression] = 1  # none
    directory[tag.PhotometricInterpretation] = 2 if channels >= 3 else 1  # RGB, grey
    directory[tag.SamplesPerPixel] = channels
    directory[tag.StripOffsets] = 0  # counted from the end of the directory
    directory[tag.StripByteCounts] = len(data)
    if channels == 4:
        directory[tag.ExtraSamples] = 2  # alpha that isn't multiplied into the colours
    if metadata.icc_profile:
        directory[tag.InterColorProfile] = metadata.icc_profile
    if metadata.dpi:
        directory[tag.XResolution], directory[tag.YResolution] = metadata.dpi
        directory[tag.ResolutionUnit] = 2  # inches
    for number, value in tiff_tags(metadata).items():
        directory[number] = value
    buffer = io.BytesIO()
    directory.save(buffer)
    return buffer.getvalue() + data
