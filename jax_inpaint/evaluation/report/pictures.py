"""What methods made of a picture, side by side, and a part of it enlarged."""

import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from jax_inpaint.evaluation.methods import Example, Pixels
from jax_inpaint.inference.drawing import fitted_size, labelled, resized, row, stack

WIDTH = 200  # longest side of a picture
ZOOM = 4  # how much of the picture's shorter side an enlarged part shows: one in so many
SMALLEST = 48  # pixels of an enlarged part, at least


def comparison(
    example: Example, filled: Mapping[str, Pixels], captions: Mapping[str, str]
) -> Pixels:
    """The masked picture, every method's, and the photograph; below each a part of the hole.

    A frame on the masked picture shows which part.

    Args:
        example: photograph and hole.
        filled: by method.
        captions: what to write below a method's picture.
    """
    masked = example.composite(np.full_like(example.photograph, 255))
    pictures = {"masked": masked}
    pictures |= {name: example.composite(picture) for name, picture in filled.items()}
    pictures |= {"photograph": example.photograph}
    size = fitted_size(example.photograph.shape[:2], WIDTH)
    part = zoomed_part(example.hole)
    columns = []
    for name, pixels in pictures.items():
        enlarged = _enlarged(pixels[part], size[1])
        shown = resized(pixels, size)
        if name == "masked":
            shown = _framed(shown, part, size[0] / pixels.shape[0])
        columns.append(labelled(stack([shown, enlarged], 4), name, captions.get(name, " ")))
    return row(columns)


def zoomed_part(hole: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """The part around the pixel of the hole that is farthest from all that is known."""
    # The border is known to nobody, but a part at the border would show little.
    inside = np.pad(hole.astype(np.uint8), 1)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    centre = np.unravel_index(int(depth.argmax()), hole.shape)
    side = min(max(SMALLEST, min(hole.shape) // ZOOM), *hole.shape)
    top, left = (
        int(np.clip(place - side // 2, 0, length - side))
        for place, length in zip(centre, hole.shape, strict=True)
    )
    return slice(top, top + side), slice(left, left + side)


def chosen(values: np.ndarray, better: str) -> dict[str, int]:
    """Indexes of the best, the median and the worst of the finite values; fewer if there are."""
    finite = np.flatnonzero(np.isfinite(values))
    order: Sequence[int] = finite[np.argsort(values[finite], kind="stable")].tolist()
    if better == "higher":
        order = order[::-1]
    if not order:
        return {}
    found = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    return {
        title: i for n, (title, i) in enumerate(found.items()) if i not in list(found.values())[:n]
    }


def as_jpeg(pixels: Pixels) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _framed(pixels: Pixels, part: tuple[slice, slice], scale: float) -> Pixels:
    picture = Image.fromarray(pixels)
    rows, columns = part
    box = [scale * end for end in (columns.start, rows.start, columns.stop, rows.stop)]
    ImageDraw.Draw(picture).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), outline="#d55e00")
    return np.asarray(picture)


def _enlarged(pixels: Pixels, width: int) -> Pixels:
    """Scaled to a width; pixels stay visible as blocks."""
    height = max(1, round(pixels.shape[0] * width / pixels.shape[1]))
    nearest = Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(pixels).resize((width, height), nearest))
