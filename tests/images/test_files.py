import errno
import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, JpegImagePlugin

from jax_inpaint.images import (
    SUFFIXES,
    ImageFileError,
    Metadata,
    Picture,
    check_writable,
    is_lossless,
    picture_size,
    read_picture,
    to_uint8,
    write_picture,
)

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

# What each format holds: modes of 8 bits, modes of 16.
HOLDS = {
    ".png": ("L LA RGB RGBA", "L LA RGB RGBA"),
    ".tif": ("L LA RGB RGBA CMYK", "L RGB RGBA"),
    ".tiff": ("L LA RGB RGBA CMYK", "L RGB RGBA"),
    ".webp": ("L LA RGB RGBA", ""),
    ".bmp": ("L RGB", ""),
    ".jpg": ("L RGB CMYK", ""),
    ".jpeg": ("L RGB CMYK", ""),
}
KINDS = [(mode, np.uint8) for mode in CHANNELS] + [
    (mode, np.uint16) for mode in ("L", "LA", "RGB", "RGBA")
]
CASES = [
    pytest.param(
        suffix,
        mode,
        dtype,
        mode in HOLDS[suffix][dtype is np.uint16].split(),
        id=f"{mode}{8 * dtype().nbytes}{suffix}",
    )
    for suffix in HOLDS
    for mode, dtype in KINDS
]
DEEP_TIFFS = {
    "little": {},
    "big": {"byteorder": ">"},
    "deflate": {"compression": "zlib"},
    "deflate big": {"compression": "zlib", "byteorder": ">"},
    "predictor": {"compression": "zlib", "predictor": True},
    "strips": {"rowsperstrip": 4},
    "tiles": {"tile": (16, 16)},
}


def noise(height, width, mode, dtype=np.uint8, seed=0):
    shape = (height, width, CHANNELS[mode])
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def pillow(pixels, mode):
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())


def stored(upright, orientation):
    """The pixels that a file of this EXIF orientation holds, straight from the standard's words.

    Orientation 6, say, means that row 0 of the file is the right side and column 0 the top.
    """
    height, width = upright.shape[:2]
    shape = (height, width) if orientation < 5 else (width, height)
    i, j = np.indices(shape)
    row, column = {
        1: (i, j),
        2: (i, width - 1 - j),
        3: (height - 1 - i, width - 1 - j),
        4: (height - 1 - i, j),
        5: (j, i),
        6: (j, width - 1 - i),
        7: (height - 1 - j, width - 1 - i),
        8: (height - 1 - j, i),
    }[orientation]
    return upright[row, column]


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Writing and reading


@pytest.mark.parametrize("size", [(13, 22), (1, 1), (1, 17), (17, 1)])
@pytest.mark.parametrize(("suffix", "mode", "dtype", "holds"), CASES)
def test_what_is_written_comes_back_or_is_refused(tmp_path, suffix, mode, dtype, holds, size):
    path = tmp_path / f"picture{suffix}"
    picture = Picture(noise(*size, mode, dtype), mode, Metadata(ICC))
    if not holds:
        with pytest.raises(ImageFileError, match=r"needs? \.") as error:
            write_picture(path, picture)
        assert str(path) in str(error.value)
        assert list(tmp_path.iterdir()) == []
        return
    write_picture(path, picture)
    again = read_picture(path)
    assert list(tmp_path.iterdir()) == [path]
    assert again.metadata.icc_profile == (None if suffix == ".bmp" else ICC)
    assert again.pixels.dtype == dtype
    if suffix == ".webp" and mode in ("L", "LA"):  # it knows colours only
        assert again.mode == {"L": "RGB", "LA": "RGBA"}[mode]
        assert np.array_equal(again.pixels[..., :3], np.repeat(picture.pixels[..., :1], 3, axis=-1))
        assert mode == "L" or np.array_equal(again.pixels[..., 3], picture.pixels[..., 1])
    else:
        assert again.mode == mode
        assert again.size == picture.size
        assert not is_lossless(path) or np.array_equal(again.pixels, picture.pixels)


def test_all_suffixes_are_covered_and_upper_case_is_fine(tmp_path):
    assert set(SUFFIXES) == set(HOLDS)
    picture = Picture(noise(4, 5, "RGB"), "RGB")
    write_picture(tmp_path / "A.PNG", picture)
    assert np.array_equal(read_picture(tmp_path / "A.PNG").pixels, picture.pixels)
    assert not is_lossless(tmp_path / "A.JPG")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_other_readers_understand_16_bit_png(tmp_path, mode):
    picture = Picture(noise(13, 22, mode, np.uint16), mode, Metadata(ICC))
    write_picture(tmp_path / "a.png", picture)
    found = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    if mode == "LA":  # OpenCV makes it BGRA
        expected = picture.pixels[..., [0, 0, 0, 1]]
    else:
        expected = picture.pixels[..., {"L": [0], "RGB": [2, 1, 0], "RGBA": [2, 1, 0, 3]}[mode]]
    assert np.array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_other_readers_understand_16_bit_tiff(tmp_path, mode):
    picture = Picture(noise(13, 22, mode, np.uint16), mode, Metadata(ICC))
    write_picture(tmp_path / "a.tif", picture)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages[0]
        assert np.array_equal(page.asarray(), picture.pixels.squeeze())
        assert page.tags["InterColorProfile"].value == ICC
        assert page.extrasamples == ((2,) if mode == "RGBA" else ())
    found = cv2.imread(str(tmp_path / "a.tif"), cv2.IMREAD_UNCHANGED)
    order = {"L": [0], "RGB": [2, 1, 0], "RGBA": [2, 1, 0, 3]}[mode]
    assert np.array_equal(found.reshape(picture.pixels.shape), picture.pixels[..., order])


# Reading what others write


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_16_bits_of_opencv_are_read(tmp_path, mode, suffix):
    pixels = noise(13, 22, mode, np.uint16)
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), pixels)
    picture = read_picture(tmp_path / f"a{suffix}")
    order = {"L": [0], "RGB": [2, 1, 0], "RGBA": [2, 1, 0, 3]}[mode]
    assert picture.mode == mode
    assert picture.pixels.dtype == np.uint16
    assert np.array_equal(picture.pixels, pixels[..., order])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("options", DEEP_TIFFS.values(), ids=DEEP_TIFFS)
def test_all_layouts_of_16_bit_tiff_are_read(tmp_path, mode, options):
    pixels = noise(37, 22, mode, np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels.squeeze(),
        photometric="minisblack" if mode == "L" else "rgb",
        extrasamples=["unassalpha"] if mode == "RGBA" else None,
        **options,
    )
    picture = read_picture(tmp_path / "a.tif")
    assert picture.mode == mode
    assert np.array_equal(picture.pixels, pixels)


def test_16_bit_tiff_with_white_as_zero_is_turned_around(tmp_path):
    pixels = noise(5, 6, "L", np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels[..., 0], photometric="miniswhite")
    assert np.array_equal(read_picture(tmp_path / "a.tif").pixels, 65535 - pixels)


@pytest.mark.parametrize(
    ("channels", "dtype", "options"),
    [
        (4, np.uint16, {"photometric": "separated"}),
        (4, np.uint16, {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
        (3, np.uint16, {"photometric": "rgb", "planarconfig": "separate"}),
        (1, np.int16, {"photometric": "minisblack"}),
        (1, np.int32, {"photometric": "minisblack"}),
        (1, np.float32, {"photometric": "minisblack"}),
        (3, np.float32, {"photometric": "rgb"}),
    ],
)
def test_deep_tiffs_that_would_be_cut_or_misread_are_refused(tmp_path, channels, dtype, options):
    pixels = noise(9, 8, "RGBA", np.uint16)[..., :channels].astype(dtype)
    if options.get("planarconfig"):
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    tifffile.imwrite(tmp_path / "a.tif", pixels.squeeze(), **options)
    with pytest.raises(ImageFileError, match=r"a\.tif: .*(aren't supported|known format)"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_interlaced_16_bit_png_is_read(tmp_path, mode):
    pixels = noise(13, 22, mode, np.uint16)
    rows = b""
    adam7 = ["00 8 8", "04 8 8", "40 8 4", "02 4 4", "20 4 2", "01 2 2", "10 2 1"]
    for (top, left), down, right in (step.split() for step in adam7):
        for row in pixels[int(top) :: int(down), int(left) :: int(right)]:
            rows += b"\0" + row.astype(">u2").tobytes()
    colour_type = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}[mode]
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">2I5B", 22, 13, 16, colour_type, 0, 0, 1))
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )
    assert np.array_equal(read_picture(tmp_path / "a.png").pixels, pixels)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_transparent_colour_of_a_16_bit_png_becomes_alpha(tmp_path, mode):
    pixels = noise(6, 7, mode, np.uint16)
    pixels[2, 3] = pixels[0, 0]
    write_picture(tmp_path / "a.png", Picture(pixels, mode))
    plain = (tmp_path / "a.png").read_bytes()
    transparent = png_chunk(b"tRNS", pixels[0, 0].astype(">u2").tobytes())
    (tmp_path / "b.png").write_bytes(plain[:33] + transparent + plain[33:])
    picture = read_picture(tmp_path / "b.png")
    alpha = np.full((6, 7), 65535)
    alpha[0, 0] = alpha[2, 3] = 0
    assert picture.mode == mode + "A"
    assert np.array_equal(picture.pixels[..., :-1], pixels)
    assert np.array_equal(picture.pixels[..., -1], alpha)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".png"])
def test_8_bits_aren_t_mistaken_for_16_at_any_width(tmp_path, mode, compression, suffix):
    options = {"compression": compression} if compression and suffix == ".tif" else {}
    for width in (1, 5, 6, 16, 53, 54, 160):  # 5 * 3 padded to 16 bytes a row, 53 * 3 to 160
        pixels = noise(3, width, mode)
        pillow(pixels, mode).save(tmp_path / f"a{suffix}", **options)
        assert np.array_equal(read_picture(tmp_path / f"a{suffix}").pixels, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_exif_orientation_brings_8_bits_upright(tmp_path, suffix, mode, orientation):
    upright = noise(5, 9, mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = pillow(stored(upright, orientation), mode)
    image.save(tmp_path / f"a{suffix}", exif=exif, lossless=True, exact=True)
    pixels = read_picture(tmp_path / f"a{suffix}").pixels
    assert np.array_equal(pixels[..., : upright.shape[-1]], upright)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_plain_jpegs_have_the_pixels_that_pillow_finds(tmp_path, subsampling, progressive):
    smooth = cv2.GaussianBlur(noise(57, 83, "RGB"), None, 3)
    options = {"subsampling": subsampling, "progressive": progressive}
    pillow(smooth, "RGB").save(tmp_path / "a.jpg", icc_profile=ICC, **options)
    with Image.open(tmp_path / "a.jpg") as image:
        expected = np.asarray(image)
    picture = read_picture(tmp_path / "a.jpg")
    assert np.array_equal(picture.pixels, expected)
    assert (picture.mode, picture.metadata.icc_profile) == ("RGB", ICC)


def test_half_a_jpeg_is_refused(tmp_path):
    pillow(noise(64, 64, "RGB"), "RGB").save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageFileError, match=r"a\.jpg: can't be read .*truncated"):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_exif_orientation_brings_a_jpeg_upright(tmp_path, mode, orientation):
    upright = noise(2, 3, mode).repeat(16, axis=0).repeat(16, axis=1)  # flat blocks survive JPEG
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = pillow(stored(upright, orientation), mode)
    image.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.mode == mode
    assert picture.size == (32, 48)
    assert np.abs(picture.pixels.astype(int) - upright).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_exif_orientation_brings_a_16_bit_png_upright(tmp_path, mode, orientation):
    upright = noise(5, 9, mode, np.uint16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    write_picture(tmp_path / "a.png", Picture(stored(upright, orientation), mode))
    data = (tmp_path / "a.png").read_bytes()
    chunk = png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    assert np.array_equal(read_picture(tmp_path / "a.png").pixels, upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_exif_orientation_brings_a_16_bit_tiff_upright(tmp_path, mode, compression, orientation):
    upright = noise(5, 9, mode, np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored(upright, orientation).squeeze(),
        photometric="minisblack" if mode == "L" else "rgb",
        extrasamples=["unassalpha"] if mode == "RGBA" else None,
        compression=compression,
        extratags=[(274, "H", 1, orientation, True)],
    )
    assert np.array_equal(read_picture(tmp_path / "a.tif").pixels, upright)


def kinds_of_pillow():
    colours = pillow(noise(13, 22, "RGB"), "RGB")
    palette = colours.quantize(50)
    grey = pillow(noise(13, 22, "L"), "L")
    grey_palette = pillow(noise(13, 22, "L") // 64, "P")
    grey_palette.putpalette(np.repeat([10, 200, 30, 255], 3).tolist())
    return {
        "1": (grey.convert("1"), "a.png", {}, "L"),
        "1 tiff": (grey.convert("1"), "a.tif", {}, "L"),
        "palette": (palette, "a.png", {}, "RGB"),
        "palette bmp": (palette, "a.bmp", {}, "RGB"),
        "palette tiff": (palette, "a.tif", {}, "RGB"),
        "gif": (palette, "a.gif", {}, "RGB"),
        "palette, one transparent": (palette, "a.png", {"transparency": 3}, "RGBA"),
        "palette, alpha table": (palette, "a.png", {"transparency": bytes(range(50))}, "RGBA"),
        "gif, one transparent": (palette, "a.gif", {"transparency": 3}, "RGBA"),
        "palette of greys": (grey_palette, "a.png", {}, "RGB"),
        "grey, one transparent": (grey, "a.png", {"transparency": 7}, "LA"),
        "colour, one transparent": (colours, "a.png", {"transparency": (1, 2, 3)}, "RGBA"),
        # Uncompressed ones can't be read by Pillow 12.
        "ycbcr": (colours.convert("YCbCr"), "a.tif", {"compression": "tiff_lzw"}, "RGB"),
        "cmyk": (colours.convert("CMYK"), "a.jpg", {}, "CMYK"),
    }


@pytest.mark.parametrize("kind", kinds_of_pillow())
def test_kinds_of_pixels_become_grey_colour_or_alpha(tmp_path, kind):
    image, name, options, mode = kinds_of_pillow()[kind]
    image.save(tmp_path / name, **options)
    picture = read_picture(tmp_path / name)
    with Image.open(tmp_path / name) as reference:
        expected = np.asarray(reference.convert(mode))
    assert picture.mode == mode
    assert picture.pixels.dtype == np.uint8
    assert np.array_equal(picture.pixels, expected.reshape(13, 22, -1))
    if mode.endswith("A"):
        assert len(np.unique(picture.pixels[..., -1])) > 1 or kind.startswith(("grey", "colour"))


# Errors in reading


def test_what_isn_t_there_or_isn_t_a_picture_is_named(tmp_path):
    (tmp_path / "text.png").write_text("not a picture\n" * 100)
    (tmp_path / "empty.png").touch()
    (tmp_path / "svg.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(ImageFileError, match=r"nowhere\.png: there is no such file"):
        read_picture(tmp_path / "nowhere.png")
    with pytest.raises(ImageFileError, match=r"Is a directory"):
        read_picture(tmp_path)
    with pytest.raises(ImageFileError, match=r"File name too long"):
        read_picture(tmp_path / ("x" * 300))
    for name in ("text.png", "empty.png", "svg.png"):
        with pytest.raises(ImageFileError, match=rf"{name}: isn't a picture of a known format"):
            read_picture(str(tmp_path / name))


def read_or_refuse(path):
    try:
        return read_picture(path), None
    except ImageFileError as error:
        return None, str(error)


def encoded():
    """Bytes of a small picture in every format and kind, with orientation 6 where it goes in."""
    pixels = {mode: noise(13, 11, mode) for mode in CHANNELS}
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {}
    for name, mode, file_format, options in [
        ("jpeg", "RGB", "JPEG", {}),
        ("progressive", "RGB", "JPEG", {"progressive": True}),
        ("cmyk", "CMYK", "JPEG", {}),
        ("png", "RGBA", "PNG", {}),
        ("grey png", "L", "PNG", {}),
        ("webp", "RGBA", "WEBP", {"lossless": True, "exact": True}),
        ("lossy webp", "RGB", "WEBP", {}),
        ("tiff", "RGB", "TIFF", {}),
        ("lzw tiff", "RGB", "TIFF", {"compression": "tiff_lzw"}),
        ("jpeg tiff", "RGB", "TIFF", {"compression": "jpeg"}),
        ("bmp", "RGB", "BMP", {}),
    ]:
        buffer = io.BytesIO()
        pillow(pixels[mode], mode).save(buffer, file_format, exif=exif, **options)
        found[name] = buffer.getvalue()
    for mode in ("L", "RGB", "RGBA"):
        deep = noise(13, 11, mode, np.uint16)
        order = {"L": [0], "RGB": [2, 1, 0], "RGBA": [2, 1, 0, 3]}[mode]
        found[f"16-bit {mode} png"] = cv2.imencode(".png", deep[..., order])[1].tobytes()
        found[f"16-bit {mode} tiff"] = cv2.imencode(".tif", deep[..., order])[1].tobytes()
    return found


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("name", encoded())
def test_a_cut_file_is_an_error_never_a_grey_area(tmp_path, name):
    data = encoded()[name]
    path = tmp_path / "whole"
    path.write_bytes(data)
    whole = read_picture(path).pixels
    messages = []
    for length in np.linspace(0, len(data) - 1, 60).astype(int):
        path.write_bytes(data[:length])
        picture, message = read_or_refuse(path)
        assert picture is None or np.array_equal(picture.pixels, whole), length
        messages += [message] if message else []
    assert all(message.startswith(f"{path}: ") for message in messages)
    assert len(messages) >= 50  # at the very end nothing that matters is missing


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("name", encoded())
def test_a_damaged_file_is_read_or_refused_with_its_name(tmp_path, name):
    data = encoded()[name]
    random = np.random.default_rng(1)
    path = tmp_path / "damaged"
    messages = []
    for _ in range(60):
        damaged = bytearray(data)
        for position in random.integers(0, min(len(data), 400), random.integers(1, 8)):
            damaged[position] = random.integers(256)
        path.write_bytes(damaged)
        picture, message = read_or_refuse(path)
        assert picture is None or picture.pixels.shape[-1] == CHANNELS[picture.mode]
        messages += [message] if message else []
    assert all(message.startswith(f"{path}: ") for message in messages)
    assert messages


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["zeros", "a second header"])
def test_a_png_whose_pixels_are_damaged_is_never_read_in_part(tmp_path, dtype, kind):
    path = tmp_path / "a.png"
    write_picture(path, Picture(noise(64, 64, "RGB", dtype), "RGB"))
    data = bytearray(path.read_bytes())
    middle = data.index(b"IDAT") + 4000
    if kind == "zeros":
        data[middle : middle + 100] = bytes(100)
    else:
        data[-8:-4] = b"IHDR"  # in place of the end
    path.write_bytes(data)
    with pytest.raises(ImageFileError, match=r"a\.png: can't be read as a picture"):
        read_picture(path)


def test_a_tiff_tag_of_the_wrong_type_is_an_error(tmp_path):
    write_picture(tmp_path / "a.tif", Picture(noise(4, 5, "RGB", np.uint16), "RGB"))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    position = data.index(struct.pack("<HH", 273, 4))  # StripOffsets, of type LONG
    data[position + 2] = 2  # ASCII
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ImageFileError, match=r"a\.tif: can't be read as a picture"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("file_format", ["png", "webp", "jpeg"])
def test_a_picture_whose_exif_is_damaged_is_whole(tmp_path, file_format):
    pixels = noise(13, 17, "RGB")
    Image.fromarray(pixels).save(tmp_path / "a", file_format, exif=b"Exif\0\0garbage")
    for metadata in (True, False):
        assert read_picture(tmp_path / "a", metadata).size == (13, 17)
    assert picture_size(tmp_path / "a") == (13, 17)


def test_no_other_program_is_started_for_a_picture(tmp_path):
    """Pillow would have Ghostscript draw an EPS, whatever its suffix."""
    path = tmp_path / "a.png"
    Image.fromarray(noise(4, 5, "RGB")).save(path, "EPS")
    for read in (read_picture, picture_size):
        with pytest.raises(ImageFileError, match=r"a\.png: isn't a picture of a known format"):
            read(path)


def test_a_broken_avif_is_an_error(tmp_path):
    path = tmp_path / "a.avif"
    Image.fromarray(noise(13, 11, "RGB")).save(path, speed=10)
    path.write_bytes(path.read_bytes().replace(b"iloc", b"free"))
    with pytest.raises(ImageFileError, match=r"a\.avif: can't be read as a picture"):
        read_picture(path)


@pytest.mark.parametrize("orientation", [1, 6, 60])
@pytest.mark.parametrize("told_by", ["tag", "xmp", "both"])
def test_the_size_of_a_tiff_is_that_of_the_upright_picture(tmp_path, orientation, told_by):
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="{orientation}"/>'
    tags = {"tag": {274: orientation}, "xmp": {700: xmp.encode()}}
    tags["both"] = tags["tag"] | tags["xmp"]
    path = tmp_path / "a.tif"
    Image.fromarray(noise(13, 11, "RGB")).save(path, tiffinfo=tags[told_by])
    assert picture_size(path) == read_picture(path).size


# Errors in writing


def test_nothing_is_overwritten_without_force(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    picture = Picture(noise(4, 5, "RGB"), "RGB")
    with pytest.raises(ImageFileError, match=r"a\.png: exists already; --force replaces it"):
        write_picture(path, picture)
    assert path.read_bytes() == b"precious"
    write_picture(path, picture, force=True)
    assert np.array_equal(read_picture(path).pixels, picture.pixels)
    dangling = tmp_path / "link.png"
    dangling.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(ImageFileError, match="exists already"):
        write_picture(dangling, picture)
    assert sorted(tmp_path.iterdir()) == [path, dangling]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.xcf", r"a\.xcf: the name must end in one of \.jpg, .*\.bmp"),
        ("a", r"a: the name must end in one of"),
        ("a.png.bak", r"a\.png\.bak: the name must end in one of"),
        ("nowhere/a.png", r"the folder .*nowhere doesn't exist"),
        ("file/a.png", r"file isn't a folder that you may write to"),
        ("x" * 300 + ".png", r"can't be written \(File name too long\)"),
        ("folder.png", r"folder\.png: can't be written \(Is a directory\)"),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_places_that_can_t_be_written_are_named_and_nothing_is_left(tmp_path, name, message, deep):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    before = sorted(tmp_path.rglob("*"))
    picture = Picture(noise(4, 5, "RGB", np.uint16 if deep else np.uint8), "RGB")
    with pytest.raises(ImageFileError, match=message):
        write_picture(tmp_path / name, picture, force=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_permission_is_found_early(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, how: how == os.F_OK)  # root may write anywhere
    with pytest.raises(ImageFileError, match="isn't a folder that you may write to"):
        check_writable(tmp_path / "a.png", Picture(noise(4, 5, "RGB"), "RGB"))


@pytest.mark.parametrize(("suffix", "longest"), [(".jpg", 65500), (".webp", 16383)])
def test_sides_that_an_encoder_can_t_take_are_refused_early(tmp_path, suffix, longest):
    path = tmp_path / f"a{suffix}"
    fits = Picture(np.zeros((1, longest, 1), np.uint8), "L")
    write_picture(path, fits)
    assert read_picture(path).size == (1, longest)
    too_long = Picture(np.zeros((longest + 1, 1, 1), np.uint8), "L")
    with pytest.raises(ImageFileError, match=f"1x{longest + 1}; .png takes it"):
        check_writable(path, too_long, force=True)


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (OSError(errno.ENOSPC, "No space left"), ImageFileError, r"a\.png: .*\(No space left\)"),
        (KeyboardInterrupt("Ctrl-C"), KeyboardInterrupt, "Ctrl-C"),
    ],
)
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_in_mid_writing_leaves_everything_as_it_was(
    tmp_path, monkeypatch, error, expected, message, existing
):
    path = tmp_path / "a.png"
    if existing:
        path.write_bytes(b"precious")
    write = Path.write_bytes

    def write_half(self, data):
        write(self, data[: len(data) // 2])
        raise error

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(expected, match=message):
        write_picture(path, Picture(noise(4, 5, "RGB"), "RGB"), force=True)
    assert list(tmp_path.iterdir()) == ([path] if existing else [])
    assert not existing or path.read_bytes() == b"precious"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_encoder_that_fails_is_reported(tmp_path, monkeypatch, suffix):
    def save(self, file, *arguments, **options):
        file.write(b"half of a picture")
        raise OSError("encoder error -2")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(ImageFileError, match=r"can't be written \(encoder error -2\)"):
        write_picture(tmp_path / f"a{suffix}", Picture(noise(4, 5, "RGB"), "RGB"))
    assert list(tmp_path.iterdir()) == []


def test_files_get_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "ordinary").touch()
    write_picture(tmp_path / "a.png", Picture(noise(4, 5, "RGB"), "RGB"))
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_jpeg_keeps_colours_at_full_resolution(tmp_path):
    write_picture(tmp_path / "a.jpg", Picture(noise(32, 32, "RGB"), "RGB"))
    with Image.open(tmp_path / "a.jpg") as image:
        assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4


def test_jpeg_quality_matters(tmp_path):
    picture = Picture(noise(32, 32, "RGB"), "RGB")
    write_picture(tmp_path / "low.jpg", picture, quality=10)
    write_picture(tmp_path / "high.jpg", picture)
    assert (tmp_path / "low.jpg").stat().st_size < (tmp_path / "high.jpg").stat().st_size / 2


# Values


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_rgb_spans_minus_one_to_one_and_goes_back_exactly(mode, dtype):
    top = np.iinfo(dtype).max
    pixels = noise(64, 64, mode, dtype)
    pixels[0, 0], pixels[0, 1] = 0, top
    picture = Picture(pixels, mode)
    rgb = picture.rgb()
    assert rgb.dtype == np.float32
    assert rgb.shape == (64, 64, 3)
    assert (rgb[0, 0] == -1).all()
    assert (rgb[0, 1] == 1).all()
    assert np.allclose(rgb[..., 0], pixels[..., 0] / (top / 2) - 1, atol=1e-6)
    assert mode.startswith("RGB") or (rgb == rgb[..., :1]).all()
    everywhere = np.ones((64, 64), bool)
    black = Picture(np.where(np.arange(pixels.shape[-1]) < 3, 0, pixels).astype(dtype), mode)
    if mode == "LA":
        black = Picture(pixels * np.array([0, 1], dtype), mode)
    assert np.array_equal(black.filled(rgb, everywhere).pixels, pixels)


@pytest.mark.parametrize(("mode", "dtype"), KINDS)
def test_colours_as_uint8_are_those_of_rgb(mode, dtype):
    picture = Picture(noise(13, 22, mode, dtype), mode)
    colours = picture.rgb_uint8()
    assert colours.flags.c_contiguous
    assert np.array_equal(colours, to_uint8(picture.rgb()))


def test_cmyk_is_seen_and_filled_in_its_own_colours():
    paper_ink = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0]]], np.uint8)
    picture = Picture(paper_ink, "CMYK")
    assert np.array_equal(picture.rgb(), [[[1, 1, 1], [-1, -1, -1], [-1, 1, 1]]])
    hole = np.array([[True, False, False]])
    filled = picture.filled(np.full((1, 3, 3), -1.0, np.float32), hole)
    assert (filled.rgb()[0, 0] == -1).all()
    assert np.array_equal(filled.pixels[0, 1:], paper_ink[0, 1:])


@pytest.mark.parametrize(("mode", "dtype"), KINDS)
def test_filling_changes_colours_in_the_hole_and_nothing_else(mode, dtype):
    pixels = noise(13, 22, mode, dtype)
    original = pixels.copy()
    hole = np.random.default_rng(1).random((13, 22)) < 0.4
    rgb = np.random.default_rng(2).uniform(-1.2, 1.2, (13, 22, 3)).astype(np.float32)
    filled = Picture(pixels, mode, Metadata(b"profile")).filled(rgb, hole)
    assert np.array_equal(pixels, original)
    assert np.array_equal(filled.pixels[~hole], pixels[~hole])
    assert (filled.mode, filled.metadata.icc_profile) == (mode, b"profile")
    assert filled.pixels.dtype == dtype
    if mode in ("LA", "RGBA"):
        assert np.array_equal(filled.pixels[..., -1], pixels[..., -1])
    seen, wanted = filled.rgb()[hole], np.clip(rgb[hole], -1, 1)
    if mode.startswith("L"):
        weights = np.array([0.299, 0.587, 0.114])
        wanted = np.clip(rgb[hole] @ weights, -1, 1)[:, None]
    assert np.abs(seen - wanted).max() <= 1.01 / np.iinfo(dtype).max


def test_to_uint8_rounds_and_clips():
    values = np.array([-9, -1, -0.997, 0, 0.997, 1, 9], np.float32)
    assert to_uint8(values).tolist() == [0, 0, 0, 128, 255, 255, 255]
    everything = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_uint8(everything / np.float32(127.5) - 1), everything)
