"""Sheets of titled pictures for people to look at, with Pillow alone."""

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, Num, UInt8
from PIL import Image, ImageDraw, ImageFont

Pixels = UInt8[np.ndarray, "_ _ 3"]

GAP = 8  # pixels between pictures and around them
_FONT = ImageFont.load_default(13)
_LINE = 17  # pixels from one line of text to the next


def fitted_size(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Height and width of a picture that is scaled until its longer side is ``longest``."""
    return max(1, round(size[0] * longest / max(size))), max(
        1, round(size[1] * longest / max(size))
    )


def resized(values: Num[np.ndarray, "h w *c"], size: tuple[int, int]) -> np.ndarray:
    """Scaled to height and width: means of pixels, or pixels as blocks where it is larger."""
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BOX))


def outlined(pixels: Pixels, hole: Bool[np.ndarray, "p q"], colour: str = "white") -> Pixels:
    """With a line along the inner edge of a hole, which is given in any size."""
    inside = resized(hole.astype(np.float32), pixels.shape[:2]) >= 0.5
    edge = inside & ~cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    picture = Image.fromarray(pixels)
    picture.paste(colour, mask=Image.fromarray(edge))
    return np.asarray(picture)


def heat(values: Float[np.ndarray, "h w"], scale: tuple[float, float] = (0.0, 1.0)) -> Pixels:
    """Values from dark blue for the lower end of a scale over green to yellow for the upper."""
    low, high = scale
    levels = np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]


def heat_legend(width: int, title: str, scale: tuple[float, float] = (0.0, 1.0)) -> Pixels:
    """A bar of the colours of :func:`heat`, with the ends of the scale and a title between."""
    bar = heat(np.linspace(0, 1, width, dtype=np.float32)[None].repeat(12, axis=0))
    ticks = Image.new("RGB", (width, _LINE), "white")
    draw = ImageDraw.Draw(ticks)
    draw.text((3, 2), f"{scale[0]:g}", "black", _FONT)
    draw.text((width / 2, 2), title, "black", _FONT, "ma")
    draw.text((width - 4, 2), f"{scale[1]:g}", "black", _FONT, "ra")
    return np.concatenate([bar, np.asarray(ticks)])


def labelled(pixels: Pixels, title: str, footnote: str = "") -> Pixels:
    """A line of text above a picture, and another below."""
    lines = [text for text in (title, footnote) if text]
    width = max(pixels.shape[1], *(int(_FONT.getlength(text)) + 1 for text in lines))
    return stack([_text(title, width), pixels, *([_text(footnote, width)] if footnote else [])])


def row(pictures: Sequence[Pixels], gap: int = GAP) -> Pixels:
    """Pictures side by side on white."""
    height = max(picture.shape[0] for picture in pictures)
    parts = [_on_white(picture, height, picture.shape[1] + gap) for picture in pictures]
    return np.concatenate(parts, axis=1)[:, : -gap or None]


def stack(pictures: Sequence[Pixels], gap: int = 0) -> Pixels:
    """Pictures below each other on white."""
    return row([picture.swapaxes(0, 1) for picture in pictures], gap).swapaxes(0, 1)


def grid(pictures: Sequence[Pixels], width: int) -> Pixels:
    """Pictures in rows, each in a cell of the same size; as many in a row as ``width`` holds."""
    cell = [max(picture.shape[axis] for picture in pictures) for axis in (0, 1)]
    columns = max(1, (width + GAP) // (cell[1] + GAP))
    cells = [_on_white(picture, *cell) for picture in pictures]
    rows = [row(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return stack(rows, GAP)


def sheet(content: Pixels, *texts: str) -> Pixels:
    """With a margin, and paragraphs below."""
    width = max(content.shape[1], 480)
    paragraphs = [_text(text, width) for text in texts]
    page = stack([content, *paragraphs], GAP)
    return _on_white(page, page.shape[0] + GAP, page.shape[1] + GAP, GAP)


def _text(text: str, width: int) -> Pixels:
    """Dark text on white, in as many lines as it needs."""
    letters = int(0.97 * width * len(text) / _FONT.getlength(text))
    lines = textwrap.wrap(text, letters) if _FONT.getlength(text) > width else [text]
    strip = Image.new("RGB", (width, _LINE * len(lines)), "white")
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((0, _LINE * number + 1), line, "black", _FONT)
    return np.asarray(strip)


def _on_white(picture: Pixels, height: int, width: int, margin: int = 0) -> Pixels:
    below, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((margin, below), (margin, right), (0, 0)), constant_values=255)
