"""Holes as polygons and boxes in the JSON files of annotation programs."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool

from jax_inpaint.images.reading import ImageFileError

_FRACTION = 4  # bits of a coordinate behind the point, for OpenCV
_FARTHEST = 1e5  # pixels; what is further out is cut to that


def read_annotations(
    path: str | os.PathLike[str], size: tuple[int, int], name: str | None = None
) -> Bool[np.ndarray, "h w"]:
    """All that a file of LabelMe or COCO marks in a picture, True inside.

    Args:
        path: the JSON file. LabelMe: polygons, rectangles and circles. COCO: polygons, run lengths
            (compressed or not), and boxes where an annotation has nothing else.
        size: of the picture, height and width.
        name: the picture's file, which says whose annotations of a COCO file of many pictures to
            take; folder and suffix don't count.

    Raises:
        ImageFileError: if the file isn't such a file, is about a picture of another size, or
            doesn't know the picture.

    Source: LabelMe's and COCO's own descriptions of their formats; pixel (0, 0) covers [0, 1) in
    both directions, and a pixel that an outline touches is inside.
    """
    try:
        content = json.loads(Path(path).read_bytes())
        if isinstance(content, dict) and "shapes" in content:
            return _labelme(content, size)
        if isinstance(content, dict) and "annotations" in content:
            return _coco(content, size, name)
        raise ValueError("it has neither LabelMe's shapes nor COCO's annotations")
    except FileNotFoundError:
        raise ImageFileError(f"{path}: there is no such file") from None
    # A file of another structure surfaces as what is missing, or isn't an object or a list.
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, KeyError):
            reason = f"{error} is missing"
        raise ImageFileError(f"{path}: can't be read as LabelMe or COCO ({reason})") from error


def _labelme(content: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    _check_size(content.get("imageHeight"), content.get("imageWidth"), size)
    inside = np.zeros(size, np.uint8)
    for shape in content["shapes"]:
        kind, points = shape.get("shape_type", "polygon"), _points(shape["points"])
        if kind == "polygon":
            _draw_polygons(inside, [points])
        elif kind == "rectangle" and len(points) == 2:
            _draw_box(inside, points.min(axis=0), points.max(axis=0))
        elif kind == "circle" and len(points) == 2:
            _draw_circle(inside, points[0], math.dist(*points))
        else:
            raise ValueError(
                f"a shape is a {kind} of {len(points)} points; polygons, rectangles and circles "
                "are understood"
            )
    return inside.astype(bool)


def _coco(content: Mapping[str, Any], size: tuple[int, int], name: str | None) -> np.ndarray:
    images = list(content.get("images", []))
    if len(images) > 1:
        named = [image for image in images if _stem(image["file_name"]) == _stem(name or "")]
        if len(named) != 1:
            raise ValueError(f"{len(named)} of its {len(images)} pictures are called {name!r}")
        images = named
    inside = np.zeros(size, np.uint8)
    if images:
        _check_size(images[0].get("height"), images[0].get("width"), size)
    for annotation in content["annotations"]:
        if images and annotation["image_id"] != images[0]["id"]:
            continue
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, Mapping):
            inside |= _run_lengths(segmentation, size)
        elif segmentation:
            # Several outlines are the parts of a thing that something hides in between.
            _draw_polygons(inside, [_points(np.reshape(part, (-1, 2))) for part in segmentation])
        else:
            left, top, width, height = map(float, annotation["bbox"])
            corners = _points([[left, top], [left + width, top + height]])
            _draw_box(inside, *corners)
    return inside.astype(bool)


def _stem(name: str) -> str:
    return Path(name).stem


def _check_size(height: Any, width: Any, size: tuple[int, int]) -> None:
    if None not in (height, width) and (height, width) != size:
        raise ValueError(
            f"it is about a picture of {width}x{height}, this one has {size[1]}x{size[0]}"
        )


def _points(values: Any) -> np.ndarray:
    points = np.asarray(values, np.float64)
    if (
        points.ndim != 2
        or points.shape[-1] != 2
        or not np.isfinite(points).all()
        or not len(points)
    ):
        raise ValueError(f"points must be pairs of finite numbers, got {str(values)[:80]}")
    return np.clip(points, -_FARTHEST, _FARTHEST)


def _draw_polygons(inside: np.ndarray, polygons: Iterable[np.ndarray]) -> None:
    # OpenCV counts from the centres of pixels.
    for points in polygons:
        fixed = np.rint((points - 0.5) * 2**_FRACTION).astype(np.int32)
        cv2.fillPoly(inside, [fixed], 1, shift=_FRACTION)


def _draw_box(inside: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    left, top = np.maximum(np.floor(low), 0).astype(int)
    right, bottom = np.maximum(np.ceil(high), 0).astype(int)
    inside[top:bottom, left:right] = 1


def _draw_circle(inside: np.ndarray, centre: np.ndarray, radius: float) -> None:
    y, x = np.ogrid[: inside.shape[0], : inside.shape[1]]
    inside |= np.hypot(x + 0.5 - centre[0], y + 0.5 - centre[1]) <= radius


def _run_lengths(segmentation: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """COCO's run-length encoding: lengths of 0 and 1 in turn, down the columns."""
    height, width = segmentation["size"]
    _check_size(height, width, size)
    counts = segmentation["counts"]
    lengths = _uncompressed(counts) if isinstance(counts, str) else counts
    if not all(type(length) is int and length >= 0 for length in lengths):
        raise ValueError("run lengths must be whole numbers, >= 0")
    # As Python's numbers, which don't wrap around.
    if sum(lengths) != math.prod(size):
        raise ValueError(f"run lengths add up to {sum(lengths)}, not to {math.prod(size)} pixels")
    values = np.repeat(np.arange(len(lengths)) % 2, lengths)
    return values.astype(np.uint8).reshape(size[::-1]).T


def _uncompressed(text: str) -> list[int]:
    """Numbers of five bits a character, the lowest first; from the third on, they are differences.

    Source: ``rleFrString`` of COCO's own code.
    """
    counts: list[int] = []
    number = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 60:
            raise ValueError("run lengths aren't compressed as COCO does it")
        number |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            if digit & 16:
                number -= 1 << shift
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = shift = 0
    return counts
