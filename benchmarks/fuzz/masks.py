"""Masks: pictures, and the JSON of annotation programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz.damage import RANDOM, Random, as_json, choose, damaged, damaged_value
from benchmarks.fuzz.pictures import damaged_picture
from benchmarks.fuzz.reader import Input, Reader
from jax_inpaint.images import MaskOptions, read_hole

_SIZE = (20, 30)
_KEYS = (
    *("shapes", "points", "shape_type", "imageHeight", "imageWidth"),
    *("images", "annotations", "segmentation", "counts", "size", "bbox"),
    *("id", "image_id", "file_name", "height", "width"),
)

_WHOLE: list[Any] = [
    {
        "version": "5.4.1",
        "shapes": [
            {"label": "a", "points": [[2.5, 3], [20, 4], [9, 15]], "shape_type": "polygon"},
            {"label": "b", "points": [[1, 1], [5, 6]], "shape_type": "rectangle"},
            {"label": "c", "points": [[15, 10], [18, 10]], "shape_type": "circle"},
        ],
        "imagePath": "picture.png",
        "imageData": "iVBORw0KGgo=",
        "imageHeight": 20,
        "imageWidth": 30,
    },
    {
        "images": [
            {"id": 1, "file_name": "picture.png", "height": 20, "width": 30},
            {"id": 2, "file_name": "other.png", "height": 20, "width": 30},
        ],
        "annotations": [
            {"image_id": 1, "segmentation": [[1, 1, 9, 2, 4.5, 8]], "bbox": [1, 1, 8, 7]},
            {"image_id": 1, "segmentation": {"size": [20, 30], "counts": [100, 50, 450]}},
            {"image_id": 1, "segmentation": {"size": [20, 30], "counts": "T3b1R>"}},
            {"image_id": 1, "segmentation": [], "bbox": [3, 4, 5, 6]},
        ],
    },
]

_NUMBERS = st.integers() | st.floats() | st.integers(-50, 700)
_ANY_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
    ),
    max_leaves=20,
)
_POINTS = st.lists(st.tuples(st.floats() | st.floats(-50, 50), st.floats(-50, 50)), max_size=5)
_SHAPES = st.lists(
    st.fixed_dictionaries(
        {
            "points": _POINTS,
            "shape_type": st.sampled_from(["polygon", "rectangle", "circle", "line"]),
        }
    ),
    max_size=3,
)
_COUNTS = st.one_of(
    st.text(max_size=30),
    st.text("".join(map(chr, range(48, 112))), max_size=30),
    st.lists(st.integers(-5, 700), max_size=5),
    # Sums that are right where numbers of 64 bits wrap around.
    st.integers(1, 4).map(lambda n: [2**64 // n] * n + [600]),
)
_SEGMENTATIONS = st.one_of(
    st.fixed_dictionaries({"size": st.just([20, 30]), "counts": _COUNTS}),
    st.lists(st.lists(st.floats(-50, 50), max_size=9), max_size=3),
)
_ANNOTATIONS = st.lists(
    st.fixed_dictionaries(
        {"segmentation": _SEGMENTATIONS, "bbox": st.lists(st.floats() | _NUMBERS, max_size=5)}
    ),
    max_size=3,
)
_DOCUMENTS = st.one_of(
    _ANY_JSON,
    _ANY_JSON.map(lambda content: {"shapes": content}),
    _ANY_JSON.map(lambda content: {"annotations": content}),
    _SHAPES.map(lambda shapes: {"shapes": shapes}),
    _ANNOTATIONS.map(lambda annotations: {"annotations": annotations}),
)


def _damaged_document(rng: Random) -> bytes:
    whole = choose(rng, _WHOLE)
    if rng.integers(4):
        return as_json(rng, damaged_value(rng, whole))
    return damaged(rng, json.dumps(whole).encode())


_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "mask_channel": st.sampled_from(["brightness", "alpha"]),
        "mask_threshold": st.sampled_from([0.0, 0.5, 1.0, -0.1, float("nan")]),
        "mask_color": st.sampled_from([None, "#ff0000", "red", "#ff00000", ""]),
        "mask_tolerance": st.sampled_from([0.0, 0.1, 1.0, float("inf")]),
        "invert": st.booleans(),
    },
)


def _read(folder: Path, name: str, options: dict[str, Any]) -> None:
    hole = read_hole(folder / name, MaskOptions(**options), _SIZE, "picture.png")
    assert hole.dtype == np.bool_
    assert hole.ndim == 2
    assert hole.shape == _SIZE or name != "mask.json"


def _picture(drawn: tuple[Random, dict[str, Any]]) -> Input:
    rng, options = drawn
    return Input({"mask.png": damaged_picture(rng)}, {"name": "mask.png", "options": options})


def _document(drawn: tuple[Any, dict[str, Any]]) -> Input:
    content, options = drawn
    damage = isinstance(content, Random)
    data = _damaged_document(content) if damage else json.dumps(content).encode()
    return Input({"mask.json": data}, {"name": "mask.json", "options": options})


READERS = [
    Reader("mask pictures", st.tuples(RANDOM, _OPTIONS), _picture, _read, share=0.5),
    Reader("annotations", st.tuples(_DOCUMENTS | RANDOM, _OPTIONS), _document, _read, share=0.5),
]
