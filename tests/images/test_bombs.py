"""Files of a few bytes that claim to be pictures of gigabytes, and pictures that are just large."""

import io
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from jax_inpaint.images import ImageFileError, picture_size, read_picture
from tests.bombs import grey_png


def saved(file_format, **options):
    file = io.BytesIO()
    Image.new("RGB", (301, 203)).save(file, file_format, **options)
    return file.getvalue()


def patched(data, old, new):
    assert data.count(old) == 1
    return data.replace(old, new)


def jpeg_size(width, height):
    return struct.pack(">2H", height, width)


def tiff_tag(number, value):
    return struct.pack("<HHII", number, 4, 1, value)


def webp_size(width, height):  # 14 bits each, of one less
    return struct.pack("<BI", 0x2F, width - 1 | height - 1 << 14)


BOMBS = {
    "whole.png": grey_png(20_000, 20_000, 20_001 * 20_000),
    "a.png": grey_png(60_000, 60_000),
    "a.jpg": patched(saved("jpeg"), jpeg_size(301, 203), jpeg_size(60_000, 60_000)),
    "a.bmp": patched(
        saved("bmp"), struct.pack("<2i", 301, 203), struct.pack("<2i", 60_000, 60_000)
    ),
    "a.tif": patched(
        saved("tiff"),
        tiff_tag(256, 301) + tiff_tag(257, 203),
        tiff_tag(256, 60_000) + tiff_tag(257, 60_000),
    ),
    "a.webp": patched(saved("webp", lossless=True), webp_size(301, 203), webp_size(16_383, 16_383)),
}

SCRIPT = """
import resource, sys
from pathlib import Path
from jax_inpaint.data.sources import TFDSSource
from jax_inpaint.images import ImageFileError, read_picture

def memory(what):
    return 1024 * int(next(x for x in open("/proc/self/status") if x.startswith(what)).split()[1])

most = memory("VmSize:") + (6 << 30)  # of WebP, Pillow reserves 2 GiB before it looks at it
resource.setrlimit(resource.RLIMIT_AS, (most, most))
before = memory("VmRSS:")
for path in map(Path, sys.argv[1:]):
    source = TFDSSource([{"image": path.read_bytes()}], "image", "tfds:bombs")
    for read in (lambda: read_picture(path), lambda: source[0]):
        try:
            read()
        except ImageFileError as error:
            print(error)
print((memory("VmHWM:") - before) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux tells it")
def test_bombs_are_refused_before_memory_is_taken(tmp_path):
    for name, data in BOMBS.items():
        assert len(data) < 2_000_000
        (tmp_path / name).write_bytes(data)
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT, *(str(tmp_path / name) for name in BOMBS)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    *messages, megabytes = output.splitlines()
    names = [name for bomb in BOMBS for name in (f"{tmp_path}/{bomb}", "tfds:bombs record 0")]
    for message, name in zip(messages, names, strict=True):
        assert re.fullmatch(f"{name}: it claims to be .*more than 250 million pixels.*", message)
    assert int(megabytes) < 50


@pytest.mark.parametrize("file_format", ["png", "jpeg"])
def test_pictures_of_the_largest_cameras_are_read_without_a_word(tmp_path, file_format):
    height, width = 8_736, 11_648  # 102 million pixels
    Image.new("L", (width, height), 77).save(tmp_path / "a", file_format)
    assert picture_size(tmp_path / "a") == (height, width)
    picture = read_picture(tmp_path / "a")  # warnings are errors here
    assert picture.size == (height, width)
    assert np.all(picture.pixels[::100, ::100] == 77)


def test_the_limit_is_a_number_of_pixels(tmp_path):
    def claim(width, height):
        data = patched(saved("jpeg"), jpeg_size(301, 203), jpeg_size(width, height))
        (tmp_path / "a.jpg").write_bytes(data)
        return picture_size(tmp_path / "a.jpg")

    assert claim(50_000, 5_000) == (5_000, 50_000)
    with pytest.raises(ImageFileError, match=r"it claims to be .*more than 250 million pixels"):
        claim(50_000, 5_001)
    # Where warnings aren't errors, the size is named.
    message = r"a\.jpg: it claims to be 50000x5001; pictures of more than 250 million pixels aren't"
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ImageFileError, match=message),
    ):
        claim(50_000, 5_001)
