"""Masks as people have them."""

import json

import cv2
import numpy as np
import pytest
import skimage.draw

from jax_inpaint.images import (
    ImageFileError,
    MaskOptions,
    Picture,
    grow_hole,
    hole_of,
    read_hole,
    write_picture,
)
from jax_inpaint.images.annotations import read_annotations

SIZE = (30, 40)


def grey(values):
    return Picture(np.array(values, np.uint8).reshape(1, -1, 1), "L")


def of(picture, **options):
    return hole_of(picture, MaskOptions(**options)).astype(int).tolist()[0]


def test_brightness_threshold_and_inversion():
    levels = grey([0, 50, 51, 127, 128, 255])
    assert of(levels) == [0, 0, 0, 0, 1, 1]
    assert of(levels, mask_threshold=0.199) == [0, 0, 1, 1, 1, 1]
    assert of(levels, mask_threshold=0.0) == [0, 1, 1, 1, 1, 1]
    assert of(levels, mask_threshold=1.0) == [0] * 6
    assert of(levels, invert=True) == [1, 1, 1, 1, 0, 0]


def test_the_alpha_channel():
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 127], [0, 0, 0, 128], [255] * 4]], np.uint8)
    painted = Picture(pixels, "RGBA")
    assert of(painted, mask_channel="alpha") == [0, 0, 1, 1]
    assert of(painted, mask_channel="alpha", invert=True) == [1, 1, 0, 0]
    deep = Picture(pixels[..., 2:].astype(np.uint16) * 257, "LA")
    assert of(deep, mask_channel="alpha") == [0, 0, 1, 1]
    with pytest.raises(ImageFileError, match="no alpha channel: it is L"):
        of(grey([0]), mask_channel="alpha")


def test_a_colour():
    pixels = [[255, 0, 0], [230, 25, 20], [229, 0, 0], [255, 26, 0], [0, 0, 0]]
    painted = Picture(np.array([pixels], np.uint8), "RGB")
    assert of(painted, mask_color="#ff0000") == [1, 1, 0, 0, 0]
    assert of(painted, mask_color="#FF0000", mask_tolerance=0.0) == [1, 0, 0, 0, 0]
    assert of(painted, mask_color="#ff0000", mask_tolerance=1.0) == [1] * 5
    assert of(painted, mask_color="#ff0000", invert=True) == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_threshold": 1.5}, r"mask_threshold must be in \[0, 1\], got 1.5"),
        ({"mask_tolerance": -0.1}, "mask_tolerance must be"),
        ({"mask_threshold": float("nan")}, "got nan"),
        ({"mask_color": "red"}, "mask_color must be like #ff0000, got 'red'"),
    ],
)
def test_options_that_can_t_be(options, message):
    with pytest.raises(ImageFileError, match=message):
        MaskOptions(**options)


@pytest.mark.parametrize("pixels", [1, 2, 5, -1, -3])
def test_growing_is_a_disc_and_the_border_is_no_edge(pixels):
    random = np.random.default_rng(0)
    hole = np.zeros(SIZE, bool)
    hole[8:19, 10:25] = True
    hole[0:4, 30:40] = True
    hole[tuple(random.integers(0, side, 5) for side in SIZE)] ^= True
    y, x = np.indices(SIZE)
    target = hole if pixels > 0 else ~hole
    rows, columns = np.nonzero(target)
    nearest = np.min(np.hypot(y[..., None] - rows, x[..., None] - columns), axis=-1)
    grown = nearest <= abs(pixels)
    np.testing.assert_array_equal(grow_hole(hole, pixels), grown if pixels > 0 else ~grown)


def test_growing_nothing_or_everything_or_by_nothing_changes_nothing():
    hole = np.eye(5, dtype=bool)
    assert grow_hole(hole, 0) is hole
    for constant in (np.zeros(SIZE, bool), np.ones(SIZE, bool)):
        for pixels in (-2, 2):
            np.testing.assert_array_equal(grow_hole(constant, pixels), constant)


# Polygons and boxes


def write(tmp_path, content):
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps(content))
    return path


def labelme(*shapes, **more):
    return {
        "shapes": [{"label": "x", "shape_type": kind, "points": points} for kind, points in shapes],
        **more,
    }


TRIANGLE = [[5.0, 4.0], [30.0, 10.0], [12.0, 25.0]]


def test_a_polygon_of_labelme(tmp_path):
    path = write(tmp_path, labelme(("polygon", TRIANGLE), imageHeight=30, imageWidth=40))
    hole = read_hole(path, size=SIZE)
    # Pixels whose centres are inside; and at most those around them.
    inside = skimage.draw.polygon2mask(SIZE, np.array(TRIANGLE)[:, ::-1] - 0.5)
    assert hole[inside].all()
    around = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert around[hole].all()
    np.testing.assert_array_equal(read_hole(path, MaskOptions(invert=True), SIZE), ~hole)


def test_rectangles_and_circles_of_labelme(tmp_path):
    path = write(
        tmp_path,
        labelme(("rectangle", [[20.2, 9.9], [10.0, 3.0]]), ("circle", [[30, 20], [30, 24]])),
    )
    expected = np.zeros(SIZE, bool)
    expected[3:10, 10:21] = True
    y, x = np.indices(SIZE)
    expected |= (x + 0.5 - 30) ** 2 + (y + 0.5 - 20) ** 2 <= 16
    np.testing.assert_array_equal(read_hole(path, size=SIZE), expected)


def coco(*annotations, images=None):
    images = images or [{"id": 7, "file_name": "a.jpg", "height": 30, "width": 40}]
    return {
        "images": images,
        "annotations": [{"image_id": 7, **annotation} for annotation in annotations],
    }


def test_coco_takes_outlines_before_boxes(tmp_path):
    box = {"bbox": [3, 2, 6.5, 4]}
    expected = np.zeros(SIZE, bool)
    expected[2:6, 3:10] = True
    path = write(tmp_path, coco(box))
    np.testing.assert_array_equal(read_hole(path, size=SIZE), expected)
    path = write(tmp_path, coco({**box, "segmentation": [[10, 5, 20, 5, 20, 15, 10, 15]]}))
    hole = read_hole(path, size=SIZE)
    assert hole[6:14, 11:19].all()
    assert not hole[:, :9].any()


def run_lengths(mask):
    """COCO's counts, by the definition: runs of 0 and 1 down the columns."""
    counts, value = [0], 0
    for pixel in mask.T.ravel().astype(int).tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def compressed(counts):
    """``rleToString`` of COCO's own code, in Python."""
    text = ""
    for number, count in enumerate(counts):
        x = count - counts[number - 2] if number > 2 else count
        more = True
        while more:
            digit = x & 0x1F
            x >>= 5
            more = x != -1 if digit & 0x10 else x != 0
            text += chr((digit | 0x20 if more else digit) + 48)
    return text


@pytest.mark.parametrize("form", [lambda counts: counts, compressed], ids=["plain", "compressed"])
@pytest.mark.parametrize("seed", range(3))
def test_run_lengths_of_coco(tmp_path, form, seed):
    mask = np.random.default_rng(seed).random(SIZE) < (0.5, 0.02, 0.99)[seed]
    segmentation = {"size": list(SIZE), "counts": form(run_lengths(mask))}
    path = write(tmp_path, coco({"segmentation": segmentation, "bbox": [0, 0, 40, 30]}))
    np.testing.assert_array_equal(read_hole(path, size=SIZE), mask)


def test_a_coco_file_of_many_pictures_is_asked_for_this_one(tmp_path):
    images = [
        {"id": 7, "file_name": "train/a.jpg", "height": 30, "width": 40},
        {"id": 8, "file_name": "train/b.jpg", "height": 99, "width": 99},
    ]
    path = write(
        tmp_path, coco({"bbox": [0, 0, 2, 2]}, {"image_id": 8, "bbox": [5, 5, 2, 2]}, images=images)
    )
    hole = read_hole(path, size=SIZE, name="a.png")
    assert hole.sum() == 4
    assert hole[:2, :2].all()
    with pytest.raises(ImageFileError, match=r"0 of its 2 pictures are called 'c\.png'"):
        read_hole(path, size=SIZE, name="c.png")
    with pytest.raises(ImageFileError, match="a picture of 99x99, this one has 40x30"):
        read_hole(path, size=SIZE, name="b.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "neither LabelMe's shapes nor COCO's annotations"),
        ({"boxes": []}, "neither LabelMe's shapes"),
        (labelme(("line", [[1, 2], [3, 4]])), "a shape is a line of 2 points; polygons,"),
        (labelme(("polygon", [[1, 2], [3, float("nan")]])), "pairs of finite numbers"),
        (labelme(("polygon", [1, 2])), "pairs of finite numbers"),
        (labelme(("polygon", "abc")), "can't be read as LabelMe or COCO"),
        (labelme(imageHeight=3, imageWidth=40), "a picture of 40x3, this one has 40x30"),
        (coco({"segmentation": {"size": [30, 40], "counts": [5, 5]}}), "run lengths add up to 10"),
        (coco({"segmentation": {"size": [30, 40], "counts": "P"}}), "run lengths add up to"),
        # Sums that are right in 64 bits crashed the process.
        (coco({"segmentation": {"size": [30, 40], "counts": [2**62] * 4 + [1200]}}), "add up to"),
        (coco({"segmentation": {"size": [30, 40], "counts": [2**70]}}), "add up to"),
        (coco({"segmentation": {"size": [30, 40], "counts": [600.5, 599.5]}}), "whole numbers"),
        (coco({"segmentation": {"size": [30, 40], "counts": [-5, 1205]}}), "whole numbers"),
        (coco({"segmentation": {"size": [30, 40], "counts": "o" * 30 + "0"}}), "aren't compressed"),
        (coco({"segmentation": {"size": [30, 40], "counts": "é"}}), "aren't compressed"),
        (coco({"bbox": [10**400, 1, 2, 3]}), "too large"),
        (labelme(("polygon", [[10**400, 1]])), "too large"),
        (coco({}), "'bbox' is missing"),
        (coco({"bbox": [1, 2]}), "can't be read as LabelMe or COCO"),
        ({"shapes": 5}, "can't be read as LabelMe or COCO"),
    ],
)
def test_files_that_aren_t_annotations(tmp_path, content, message):
    with pytest.raises(ImageFileError, match=message):
        read_annotations(write(tmp_path, content), SIZE)


def test_files_that_aren_t_json(tmp_path):
    path = tmp_path / "a.json"
    for data in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        path.write_bytes(data)
        with pytest.raises(ImageFileError, match=r"a\.json: can't be read as LabelMe or COCO"):
            read_hole(path, size=SIZE)
    with pytest.raises(ImageFileError, match="there is no such file"):
        read_hole(tmp_path / "b.json", size=SIZE)
    with pytest.raises(ImageFileError, match="polygons need a picture"):
        read_hole(path)


def test_shapes_far_outside_are_cut_off(tmp_path):
    path = write(
        tmp_path,
        labelme(
            ("rectangle", [[-1e9, -5], [1e300, 2]]), ("polygon", [[-1e9, 20], [1e9, 20], [0, 1e9]])
        ),
    )
    hole = read_hole(path, size=SIZE)
    assert hole[:2].all()
    assert not hole[2:19].any()


def test_a_mask_file_of_any_kind_is_read_by_its_options(tmp_path):
    write_picture(tmp_path / "m.png", grey([0, 200]))
    np.testing.assert_array_equal(read_hole(tmp_path / "m.png"), [[False, True]])
    inverted = read_hole(tmp_path / "m.png", MaskOptions(invert=True))
    np.testing.assert_array_equal(inverted, [[True, False]])
