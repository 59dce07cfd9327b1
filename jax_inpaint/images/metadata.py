"""What picture files carry beside their pixels."""

import re
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

_XMP_OF_PNG = "XML:com.adobe.xmp"
# Damaged ones, too, which Pillow would still follow.
_XMP_ORIENTATION = re.compile(
    rb"""</?tiff:Orientation>[0-9]*(</tiff:Orientation>)?|tiff:Orientation(=["']|>)[0-9]*["']?"""
)
_TAG = ExifTags.Base

# What of a TIFF's directory is about its picture and not about how that is stored.
_DESCRIPTIONS = (
    _TAG.ImageDescription,
    _TAG.Make,
    _TAG.Model,
    _TAG.Software,
    _TAG.DateTime,
    _TAG.Artist,
    _TAG.HostComputer,
    _TAG.Copyright,
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_PARTS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True)
class Metadata:
    """What goes along from a picture file to the next; None or empty where there is nothing.

    Attributes:
        icc_profile: what the colours mean.
        exif: camera, time, place, author; without orientation, for pictures are upright, and
            without thumbnail, which would show what was there before.
        xmp: the same and more, as XML.
        dpi: pixels an inch, across and down.
        text: keywords and texts of a PNG.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()


def read_metadata(image: Image.Image) -> Metadata:
    """What an opened picture carries; it is upright, or will be turned.

    Raises what Pillow raises for pixels that can't be decoded, if they lie before what it carries.
    """
    if image.format == "PNG":
        image.load()  # asked for EXIF, Pillow would do so, too, and not a second time if it failed
    info = image.info
    xmp = info.get("xmp", info.get(_XMP_OF_PNG))
    return Metadata(
        icc_profile=info.get("icc_profile") or None,
        exif=_exif(image),
        xmp=xmp and _XMP_ORIENTATION.sub(b"", xmp.encode() if isinstance(xmp, str) else xmp),
        dpi=_resolution(info.get("dpi")),
        text=tuple(
            (key, str(value))
            for key, value in getattr(image, "text", {}).items()
            if key != _XMP_OF_PNG
        ),
    )


def upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation says that it should be seen.

    Pillow's own ``exif_transpose`` rewrites all of EXIF, and fails where that is damaged.
    """
    image.load()  # turns a TIFF
    turn = _TURNS.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def orientation(image: Image.Image) -> int:
    """What EXIF says of it, 1 to 8; 1, upright, if that can't be understood."""
    try:
        said = image.getexif().get(_TAG.Orientation, 1)
    except SyntaxError:  # of a PNG or WebP whose block isn't EXIF at all
        return 1
    return said if said in _TURNS else 1


def _exif(image: Image.Image) -> bytes | None:
    try:
        metadata = Metadata(exif=_kept_exif(image))
        tiff_tags(metadata)
    # A damaged block surfaces as whatever Pillow stumbles over; the picture is whole without it.
    except Exception:
        return None
    return metadata.exif


def _kept_exif(image: Image.Image) -> bytes | None:
    exif = image.getexif()
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag in _DESCRIPTIONS or image.format != "TIFF":
            kept[tag] = value
    kept.pop(_TAG.Orientation, None)
    for part in _PARTS:
        kept.pop(part, None)
        if tags := exif.get_ifd(part):
            kept[part] = dict(tags)
    return kept.tobytes() if len(kept) else None


def _resolution(dpi: Any) -> tuple[float, float] | None:
    """Pixels an inch if every format can hold them."""
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    across, down = map(float, dpi)
    return (across, down) if 1 <= across <= 65535 and 1 <= down <= 65535 else None


def png_texts(metadata: Metadata) -> PngImagePlugin.PngInfo:
    """The texts of a PNG, XMP among them."""
    texts = PngImagePlugin.PngInfo()
    for key, value in metadata.text:
        texts.add_text(key, value)
    if metadata.xmp:
        texts.add_itxt(_XMP_OF_PNG, metadata.xmp.decode("utf-8", "replace"))
    return texts


def tiff_tags(metadata: Metadata) -> dict[int, Any]:
    """What a TIFF's directory says of it beside resolution and profile; parts as dictionaries."""
    tags: dict[int, Any] = {_TAG.XMLPacket: metadata.xmp} if metadata.xmp else {}
    if metadata.exif:
        exif = Image.Exif()
        exif.load(metadata.exif)
        tags |= {tag: exif[tag] for tag in _DESCRIPTIONS if tag in exif}
        tags |= {part: dict(exif.get_ifd(part)) for part in _PARTS if exif.get_ifd(part)}
    return tags
