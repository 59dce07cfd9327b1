"""Picture files of every format and kind, with all that they carry."""

import contextlib
import functools
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from benchmarks.fuzz.damage import (
    NUMBERS,
    RANDOM,
    Block,
    Random,
    chance,
    choose,
    damaged,
    damaged_blocks,
)
from benchmarks.fuzz.reader import Input, Reader
from jax_inpaint.images import (
    ImageFileError,
    Metadata,
    Picture,
    picture_size,
    read_picture,
    write_picture,
)
from jax_inpaint.images.deep import encode_16_bit

_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_LARGE = 2_000_000  # pixels from which on a picture isn't written again, which takes long
_OUTPUTS = (".png", ".tif", ".webp", ".jpg")


@functools.cache
def whole_pictures() -> dict[str, bytes]:
    """Small pictures as they should be, with metadata wherever it goes in."""
    rng = np.random.default_rng(0)
    pixels = {
        mode: rng.integers(0, 256, (24, 33, count), np.uint8) for mode, count in _CHANNELS.items()
    }
    images = {
        mode: Image.frombytes(mode, (33, 24), array.tobytes()) for mode, array in pixels.items()
    }
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"  # orientation, maker
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)  # a place
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "noise")
    texts.add_text("Comment", "noise " * 30, zip=True)
    texts.add_itxt("Author", "é")
    carried = {"exif": exif, "icc_profile": profile, "dpi": (300, 300)}
    rgb = images["RGB"]
    palette = rgb.quantize(50)
    kinds: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        *((f"png {mode}", image, "PNG", {}) for mode, image in images.items()),
        ("png with everything", rgb, "PNG", {**carried, "pnginfo": texts}),
        ("png palette", palette, "PNG", {"transparency": bytes(range(50))}),
        ("png 1", rgb.convert("1"), "PNG", {}),
        ("png transparent", rgb, "PNG", {"transparency": (1, 2, 3)}),
        ("jpeg", rgb, "JPEG", {**carried, "xmp": xmp}),
        ("jpeg plain", rgb, "JPEG", {}),
        ("jpeg progressive", rgb, "JPEG", {"progressive": True}),
        ("jpeg grey", images["L"], "JPEG", {}),
        ("jpeg cmyk", rgb.convert("CMYK"), "JPEG", {}),
        ("tiff", rgb, "TIFF", carried),
        *((f"tiff {mode}", image, "TIFF", {}) for mode, image in images.items()),
        ("tiff palette", palette, "TIFF", {}),
        *(
            (f"tiff {compression}", rgb, "TIFF", {"compression": compression})
            for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ),
        ("tiff fax", rgb.convert("1"), "TIFF", {"compression": "group4"}),
        ("tiff 16-bit lzw", images["L"].convert("I;16"), "TIFF", {"compression": "tiff_lzw"}),
        ("webp", rgb, "WEBP", {**carried, "xmp": xmp}),
        ("webp lossless", images["RGBA"], "WEBP", {"lossless": True}),
        ("bmp", rgb, "BMP", {}),
        ("bmp palette", palette, "BMP", {}),
        ("gif", palette, "GIF", {"transparency": 3}),
        ("gif animated", palette, "GIF", {"save_all": True, "append_images": [palette]}),
        ("ppm", rgb, "PPM", {}),
        ("jpeg 2000", rgb, "JPEG2000", {}),
        ("avif", rgb, "AVIF", {"speed": 10}),
    ]
    found = {}
    for name, image, file_format, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, file_format, **options)
        found[name] = buffer.getvalue()
    deep_metadata = Metadata(profile, exif.tobytes(), xmp, (300.0, 300.0), (("Title", "noise"),))
    for mode, array in pixels.items():
        for file_format in ("PNG",) if mode == "LA" else ("PNG", "TIFF"):
            deep = array.astype(np.uint16) * 257
            found[f"16-bit {mode} {file_format}"] = encode_16_bit(deep, deep_metadata, file_format)
    return found


def damaged_picture(rng: Random) -> bytes:
    """One of them after accidents, to its bytes or to the parts that its format has."""
    data = choose(rng, tuple(whole_pictures().values()))
    for beginning, (split, join) in _BLOCKS.items():
        if data.startswith(beginning) and chance(rng, 2):
            data = join(damaged_blocks(rng, list(split(data))))
            return damaged(rng, data, most=1) if chance(rng, 6) else data
    if data[:2] in (b"II", b"MM") and chance(rng, 2):
        return _damaged_tiff(rng, data)
    if chance(rng, 30):
        other = choose(rng, tuple(whole_pictures().values()))
        return data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]
    return damaged(rng, data)


def _split_png(data: bytes) -> Iterator[Block]:
    position = 8
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += length + 12


def _join_png(blocks: list[Block]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in blocks
    )


def _split_jpeg(data: bytes) -> Iterator[Block]:
    position = 2
    while data[position : position + 2] != b"\xff\xda":
        (length,) = struct.unpack_from(">H", data, position + 2)
        yield data[position : position + 2], data[position + 4 : position + 2 + length]
        position += 2 + length
    yield b"", data[position:]  # from the first scan on


def _join_jpeg(blocks: list[Block]) -> bytes:
    return b"\xff\xd8" + b"".join(
        kind + struct.pack(">H", (len(data) + 2) % 65536) + data if kind else data
        for kind, data in blocks
    )


def _split_webp(data: bytes) -> Iterator[Block]:
    position = 12
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        yield data[position : position + 4], data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _join_webp(blocks: list[Block]) -> bytes:
    content = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for kind, data in blocks
    )
    return b"RIFF" + struct.pack("<I", len(content)) + content


# How files are taken apart and put together again, by their first bytes; sums are right again.
_BLOCKS: dict[bytes, tuple[Callable[[bytes], Iterator[Block]], Callable[[list[Block]], bytes]]] = {
    b"\x89PNG": (_split_png, _join_png),
    b"\xff\xd8": (_split_jpeg, _join_jpeg),
    b"RIFF": (_split_webp, _join_webp),
}


def _damaged_tiff(rng: Random, data: bytes) -> bytes:
    """With other tags, types, counts or values in its directory."""
    content = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, start)
    for _ in range(rng.integers(1, 4)):
        entry = start + 2 + 12 * int(rng.integers(count))
        offset, size = choose(rng, ((0, 2), (2, 2), (4, 4), (8, 4), (8, 2)))
        value = choose(rng, (*NUMBERS, int(rng.integers(256)), int(rng.integers(2**16))))
        order_name = "little" if order == "<" else "big"
        content[entry + offset : entry + offset + size] = (value % 256**size).to_bytes(
            size, order_name
        )
    return bytes(content)


def _input(rng: Random) -> Input:
    suffix = choose(rng, _OUTPUTS)
    return Input({"picture": damaged_picture(rng)}, {"suffix": suffix})


def _read(folder: Path, suffix: str) -> None:
    path = folder / "picture"
    try:
        size = picture_size(path)
    except ImageFileError:
        size = None
    picture = read_picture(path)
    assert size is None or size == picture.size, (size, picture.size)
    assert picture.pixels.shape[-1] == {**_CHANNELS, "CMYK": 4}[picture.mode]
    if picture.pixels[..., 0].size < _LARGE:
        _write_again(folder / f"again{suffix}", picture)


def _write_again(path: Path, picture: Picture) -> None:
    """What can be read can be written, with all that it carries, where the format takes it."""
    deep, alpha = picture.pixels.dtype == np.uint16, picture.mode.endswith("A")
    takes = {
        ".png": picture.mode != "CMYK",
        ".tif": not (deep and picture.mode == "LA"),
        ".webp": not deep and picture.mode != "CMYK" and max(picture.size) < 16384,
        ".jpg": not deep and not alpha and max(picture.size) <= 65500,
    }
    if not takes[path.suffix]:
        with contextlib.suppress(ImageFileError):
            write_picture(path, picture, force=True)
            raise AssertionError("it was written")
        return
    write_picture(path, picture, force=True)
    again = read_picture(path)
    assert again.size == picture.size, (again.size, picture.size, picture.metadata)
    if path.suffix in (".png", ".tif"):
        np.testing.assert_array_equal(again.pixels, picture.pixels)


READERS = [Reader("pictures", RANDOM, _input, _read)]
