import zlib

import jax
import numpy as np
import pytest
from PIL import Image

from jax_inpaint.config import MaskConfig
from jax_inpaint.data.sources import DataError
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.holes import DrawnHoles, FileHoles, Holes, parse_holes
from jax_inpaint.masks import sample_masks
from tests.evaluation.scenes import SIZES, box_hole, save, save_masks

STEMS = list(SIZES)


def drawn(text, seed=0):
    return parse_holes(text, seed, STEMS)


def checksum(hole):
    return f"{zlib.crc32(np.packbits(hole).tobytes()):08x}"


# Drawn holes


# What published evaluations used: they must be the same on every machine, with every JAX.
PINNED = {
    ("thin", 0, 0, (40, 56)): "7ff9e73a",
    ("thick", 0, 3, (40, 56)): "480ca9b6",
    ("thick", 1, 3, (40, 56)): "1177eeda",
    ("union", 0, 7, (40, 56)): "da9bd1d0",
    ("center", 0, 0, (40, 56)): "760a96d2",
    ("irregular:10-20", 0, 2, (40, 56)): "602d9782",
}


@pytest.mark.parametrize("case", PINNED)
def test_holes_stay_what_they_were(case):
    kind, seed, number, size = case
    assert checksum(drawn(kind, seed)(number, size, "")) == PINNED[case]


def test_a_hole_is_a_function_of_seed_number_and_size():
    boxes = [drawn("box", seed)(number, (40, 56), "a") for seed in (0, 1) for number in (0, 1, 2)]
    for i, hole in enumerate(boxes):
        assert hole.dtype == bool
        assert hole.shape == (40, 56)
        assert not any(np.array_equal(hole, other) for other in boxes[:i])
    again = drawn("box", 1)(2, (40, 56), "another")
    np.testing.assert_array_equal(again, boxes[5])
    assert drawn("box")(0, (30, 60), "").shape == (30, 60)


def test_holes_are_those_of_a_batch_that_is_drawn_at_once():
    masks = sample_masks(jax.random.key(4), 5, 24, 24, MaskConfig(kind="boxes"))
    for number in range(5):
        hole = DrawnHoles("boxes", MaskConfig(kind="boxes"), 4)(number, (24, 24))
        np.testing.assert_array_equal(hole, np.asarray(masks)[number, ..., 0] == 1)


def test_bounds_are_in_per_cent():
    holes = drawn("box:12.5-20")
    assert holes.name == "box_12.5-20"
    shares = [holes(number, (40, 50), "").mean() for number in range(20)]
    assert 0.125 <= min(shares) < max(shares) <= 0.2


def test_what_decides_holes_is_told():
    for holes in (drawn("thick"), drawn("thick", 1), drawn("thin"), drawn("thick:10-20")):
        assert isinstance(holes, Holes)
    a, b, c = (drawn(text, seed).identity for text, seed in (("box", 0), ("box", 1), ("thin", 0)))
    assert a != b
    assert a != c
    assert a == drawn("box", 0).identity


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thik", "masks 'thik' aren't known; there are union, brush, .*folder:PATH"),
        ("mixture", "masks 'mixture' aren't known"),
        ("", "masks '' aren't known"),
        ("thick:10", "masks 'thick:10' aren't known"),
        ("thick:20-10", "masks 'thick:20-10': masks.coverage"),
        ("thick:10-200", "masks 'thick:10-200': masks.coverage"),
        ("thick:1.2.3-4", "masks 'thick:1.2.3-4': could not convert"),
    ],
)
def test_other_words_are_refused(text, message):
    with pytest.raises(EvaluationError, match=message):
        drawn(text)


# Masks from a folder


def folder_holes(folder, stems=STEMS):
    return parse_holes(f"folder:{folder}", 0, stems)


def test_masks_of_the_pictures_names(tmp_path):
    holes = folder_holes(save_masks(tmp_path / "mine"))
    assert isinstance(holes, Holes)
    assert holes.name == "mine"
    for number, (stem, size) in reversed(list(enumerate(SIZES.items()))):
        np.testing.assert_array_equal(holes(99, size, stem), box_hole(size, number))
    # Those of pictures that aren't evaluated don't matter, nor does the suffix.
    (tmp_path / "mine/g.png").rename(tmp_path / "mine/G.PNG")
    Image.fromarray(box_hole((48, 64))).save(tmp_path / "mine/a.tif")
    (tmp_path / "mine/a.png").unlink()
    holes = folder_holes(tmp_path / "mine/", STEMS[:2])
    np.testing.assert_array_equal(holes(0, SIZES["a"], "a"), box_hole(SIZES["a"]))
    assert holes.name == "mine"


def test_masks_of_other_names_come_one_after_the_other_and_are_scaled(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", box_hole((16, 20), number))
    holes = folder_holes(tmp_path)
    for number in (0, 2, 3, 5):
        expected = box_hole((16, 20), number % 3)
        np.testing.assert_array_equal(holes(number, (16, 20), "a"), expected)
        twice = expected.repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(holes(number, (32, 40), "a"), twice)


def test_a_folder_that_changed_is_another(tmp_path):
    before = folder_holes(save_masks(tmp_path)).identity
    assert folder_holes(tmp_path).identity == before
    save(tmp_path / "a.png", ~box_hole(SIZES["a"]))
    assert folder_holes(tmp_path).identity != before


def test_folders_that_can_t_be_used(tmp_path):
    save_masks(tmp_path / "masks")
    with pytest.raises(
        EvaluationError, match=r"5 of 6 pictures have a mask of their name, x/y has"
    ):
        folder_holes(tmp_path / "masks", [*STEMS, "x/y"])
    with pytest.raises(EvaluationError, match=r"mask of a is 64x48 .* picture is 60x48 \(width x"):
        folder_holes(tmp_path / "masks")(0, (48, 60), "a")
    save(tmp_path / "masks/a.bmp", box_hole(SIZES["a"]))
    with pytest.raises(EvaluationError, match="two masks are called a"):
        folder_holes(tmp_path / "masks")
    with pytest.raises(DataError, match="no such folder"):
        FileHoles(str(tmp_path / "none"), STEMS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures below it"):
        folder_holes(tmp_path / "empty")
