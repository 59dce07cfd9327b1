"""What a picture carries beside its pixels goes along, as other readers see it."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from jax_inpaint.images import (
    Metadata,
    Picture,
    as_pillow,
    from_pillow,
    read_picture,
    write_picture,
)

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6" dc:title="hill"></x:xmpmeta>'
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
WITH_EXIF = ("png", "tif", "jpg", "webp")


def exif(orientation=6):
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    tags[ExifTags.Base.Make] = "A camera"
    tags[ExifTags.Base.Copyright] = "Somebody"
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return tags


def save(path, **options):
    image = Image.fromarray(PIXELS)
    if path.suffix == ".webp":
        options["lossless"] = True
    if path.suffix == ".tif" and "exif" in options:  # Pillow drops parts of EXIF there
        tags = options.pop("exif")
        parts = {part: tags.get_ifd(part) for part in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)}
        options["tiffinfo"] = {**tags, **parts}
    image.save(path, **options)


def seen(path):
    """EXIF as Pillow tells it: the whole picture's, the camera's, the place."""
    with Image.open(path) as image:
        tags = image.getexif()
        return (
            {
                tag: tags[tag]
                for tag in (ExifTags.Base.Make, ExifTags.Base.Copyright)
                if tag in tags
            },
            tags.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal),
            tags.get_ifd(ExifTags.IFD.GPSInfo).get(ExifTags.GPS.GPSLatitudeRef),
            tags.get(ExifTags.Base.Orientation),
        )


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("target", WITH_EXIF)
@pytest.mark.parametrize("source", WITH_EXIF)
def test_exif_goes_along_without_orientation(tmp_path, source, target, deep):
    if deep and target in ("jpg", "webp"):
        target = "png"
    path = tmp_path / f"in.{source}"
    save(path, exif=exif())
    picture = read_picture(path)
    assert picture.size == (20, 12)
    if deep:
        picture = replace(picture, pixels=picture.pixels.astype(np.uint16) * 257)
    out = tmp_path / f"out.{target}"
    write_picture(out, picture)
    make = {ExifTags.Base.Make: "A camera", ExifTags.Base.Copyright: "Somebody"}
    assert seen(out) == (make, "2020:01:02 03:04:05", "N", None)
    again = read_picture(out)
    assert again.size == (20, 12)
    if out.suffix != ".jpg":
        np.testing.assert_array_equal(again.pixels, picture.pixels)


def test_a_thumbnail_that_shows_what_was_there_before_is_left_out(tmp_path):
    # A second directory with a thumbnail, as cameras write it, behind the first.
    thumbnail = b"\xff\xd8 a thumbnail \xff\xd9"
    header, tags = b"Exif\0\0", exif(1).tobytes().removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}[tags[:2]]
    (first,) = struct.unpack_from(order + "I", tags, 4)
    (count,) = struct.unpack_from(order + "H", tags, first)
    second = len(tags)
    entry = (ExifTags.Base.JpegIFOffset.value, 4, 1, second + 2 + 12 + 4)
    directory = struct.pack(order + "HHHIII", 1, *entry, 0)
    link = first + 2 + 12 * count
    tags = tags[:link] + struct.pack(order + "I", second) + tags[link + 4 :] + directory
    save(tmp_path / "in.jpg", exif=header + tags + thumbnail)
    with Image.open(tmp_path / "in.jpg") as image:
        found = image.getexif().get_ifd(ExifTags.IFD.IFD1)
    assert found[ExifTags.Base.JpegIFOffset] == entry[-1]
    assert thumbnail in (tmp_path / "in.jpg").read_bytes()
    write_picture(tmp_path / "out.jpg", read_picture(tmp_path / "in.jpg"))
    assert thumbnail not in (tmp_path / "out.jpg").read_bytes()
    assert seen(tmp_path / "out.jpg")[1] == "2020:01:02 03:04:05"


@pytest.mark.parametrize("target", WITH_EXIF)
@pytest.mark.parametrize("source", ["jpg", "webp"])
def test_xmp_goes_along_without_orientation(tmp_path, source, target):
    save(tmp_path / f"in.{source}", xmp=XMP, exif=exif())
    write_picture(tmp_path / f"out.{target}", read_picture(tmp_path / f"in.{source}"))
    with Image.open(tmp_path / f"out.{target}") as image:
        image.load()
        told = image.info.get("xmp", image.info.get("XML:com.adobe.xmp"))
    told = told.encode() if isinstance(told, str) else told
    assert b'dc:title="hill"' in told
    assert b"Orientation" not in told
    assert read_picture(tmp_path / f"out.{target}").metadata.xmp == told


@pytest.mark.parametrize("target", ["png", "tif", "jpg", "bmp"])
@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
def test_the_resolution_goes_along(tmp_path, target, deep):
    save(tmp_path / "in.jpg", dpi=(300, 150))
    picture = read_picture(tmp_path / "in.jpg")
    if deep and target in ("png", "tif"):
        picture = replace(picture, pixels=picture.pixels.astype(np.uint16) * 257)
    write_picture(tmp_path / f"out.{target}", picture)
    with Image.open(tmp_path / f"out.{target}") as image:
        np.testing.assert_allclose(np.array(image.info["dpi"], float), (300, 150), rtol=1e-4)


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
def test_texts_of_a_png_go_along(tmp_path, deep):
    pixels = PIXELS.astype(np.uint16) * 257 if deep else PIXELS
    texts = (("Title", "hill"), ("Comment", "größer → 大"))
    write_picture(tmp_path / "a.png", Picture(pixels, "RGB", Metadata(text=texts)))
    with Image.open(tmp_path / "a.png") as image:
        assert dict(image.text) == dict(texts)
    assert read_picture(tmp_path / "a.png").metadata.text == texts


def test_metadata_too_long_for_a_jpeg_is_left_out(tmp_path):
    tags = exif(1)
    tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = bytes(70_000)
    save(tmp_path / "in.png", exif=tags)
    picture = read_picture(tmp_path / "in.png")
    write_picture(tmp_path / "out.jpg", picture)
    assert read_picture(tmp_path / "out.jpg").metadata.exif is None
    write_picture(tmp_path / "out.png", picture)
    assert read_picture(tmp_path / "out.png").metadata.exif == picture.metadata.exif


def test_what_is_not_wanted_is_not_read(tmp_path):
    save(tmp_path / "in.jpg", exif=exif(), icc_profile=ICC)
    assert read_picture(tmp_path / "in.jpg").metadata.icc_profile == ICC
    assert read_picture(tmp_path / "in.jpg", metadata=False).metadata == Metadata()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_pillow_s_images_come_and_go(mode):
    image = Image.fromarray(PIXELS).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    image.info |= {"icc_profile": ICC, "dpi": (72, 72)}
    picture = from_pillow(image)
    back = as_pillow(picture)
    expected = image.convert({"1": "L", "P": "RGB"}[mode]) if mode in ("1", "P") else image
    assert back.mode == expected.mode
    np.testing.assert_array_equal(np.asarray(back), np.asarray(expected))
    assert back.info["icc_profile"] == ICC
    assert picture.metadata.dpi == (72, 72)


def test_pillow_s_images_become_upright(tmp_path):
    save(tmp_path / "in.jpg", exif=exif())
    with Image.open(tmp_path / "in.jpg") as image:
        picture = from_pillow(image)
        assert image.size == (20, 12)
    np.testing.assert_array_equal(picture.pixels, read_picture(tmp_path / "in.jpg").pixels)
    assert b"A camera" in picture.metadata.exif


@pytest.mark.parametrize("target", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize(
    "told",
    ['tiff:Orientation="6', 'tiff:Orientation="60"', "<tiff:Orientation>6", "tiff:Orientation>6"],
)
def test_an_orientation_that_is_damaged_doesn_t_turn_the_copy_again(tmp_path, target, told):
    save(tmp_path / "in.webp", xmp=f"<x:xmpmeta {told}".encode())
    picture = read_picture(tmp_path / "in.webp")
    write_picture(tmp_path / f"out.{target}", picture)
    assert read_picture(tmp_path / f"out.{target}").size == picture.size
