import sys

import cv2
import numpy as np
import patchmatch
import pytest
import skimage.data
from skimage.restoration import inpaint_biharmonic

from jax_inpaint.errors import UserError
from jax_inpaint.evaluation import baselines
from jax_inpaint.evaluation.baselines import BASELINES

every_baseline = pytest.mark.parametrize("name", BASELINES)


def fill(name, picture, hole):
    return BASELINES[name].fill(picture, hole)


def photograph():
    return np.ascontiguousarray(skimage.data.astronaut()[::6, ::6])  # 86x86


def inside_hole():
    """A hole that stays away from the picture's edge."""
    hole = np.zeros((86, 86), bool)
    hole[20:45, 10:50] = True
    hole[40:70, 40:60] = True
    return hole


def edge_hole():
    """A hole that reaches all edges and a corner, known pixels among it."""
    hole = inside_hole()
    hole[:30, :20] = hole[60:, 30:70] = hole[30:35] = True
    hole[10, 10] = hole[70, 50] = False
    return hole


both_holes = pytest.mark.parametrize("hole", [inside_hole(), edge_hole()], ids=["inside", "edge"])


def test_names_and_titles():
    assert list(BASELINES) == ["mean-color", "telea", "navier-stokes", "biharmonic", "patchmatch"]
    assert len({baseline.title for baseline in BASELINES.values()}) == len(BASELINES)


@every_baseline
@both_holes
def test_known_pixels_stay_and_the_hole_is_never_seen(name, hole):
    picture = photograph()
    given = picture.copy()
    filled = fill(name, picture, hole)
    np.testing.assert_array_equal(picture, given)
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    assert (filled[hole] != picture[hole]).mean() > 0.5

    rng = np.random.default_rng(0)
    for spoiled in (0, 255, rng.integers(0, 256, (hole.sum(), 3))):
        picture[hole] = spoiled
        np.testing.assert_array_equal(fill(name, picture, hole), filled)


@every_baseline
def test_an_empty_hole_gives_a_copy(name):
    picture = photograph()
    filled = fill(name, picture, np.zeros((86, 86), bool))
    np.testing.assert_array_equal(filled, picture)
    assert not np.shares_memory(filled, picture)


@every_baseline
def test_a_hole_that_is_the_whole_picture_gets_mid_grey(name):
    filled = fill(name, photograph(), np.ones((86, 86), bool))
    np.testing.assert_array_equal(filled, np.full_like(filled, 128))


@every_baseline
@pytest.mark.parametrize("shape", [(1, 2), (2, 2), (5, 3), (7, 40)])
def test_small_pictures(name, shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    hole = np.ones(shape, bool)
    hole[0, 0] = False
    filled = fill(name, picture, hole)
    np.testing.assert_array_equal(filled[0, 0], picture[0, 0])


@every_baseline
@both_holes
def test_a_constant_picture_comes_back(name, hole):
    for colour in ((0, 0, 0), (77, 200, 13), (255, 254, 128)):
        picture = np.full((86, 86, 3), colour, np.uint8)
        spoiled = np.where(hole[..., None], 255 - picture, picture)
        difference = np.abs(fill(name, spoiled, hole).astype(int) - picture).max()
        # OpenCV's Telea rounds up at every step of its front.
        assert difference <= (8 if name == "telea" else 0)


def test_mean_colour_is_that_of_the_known_pixels():
    picture, hole = photograph(), inside_hole()
    filled = fill("mean-color", picture, hole)
    mean = np.rint(picture[~hole].mean(axis=0))
    np.testing.assert_array_equal(filled[hole], np.broadcast_to(mean, (hole.sum(), 3)))


@pytest.mark.parametrize(
    ("name", "method"), [("telea", cv2.INPAINT_TELEA), ("navier-stokes", cv2.INPAINT_NS)]
)
def test_opencv_beside_a_direct_call(name, method):
    picture, hole = photograph(), inside_hole()
    np.testing.assert_array_equal(
        fill(name, picture, hole), cv2.inpaint(picture, hole.astype(np.uint8), 3, method)
    )


@both_holes
@pytest.mark.parametrize("split", [False, True])
def test_biharmonic_beside_a_direct_call(hole, split):
    picture = photograph()
    values = inpaint_biharmonic(picture, hole, split_into_regions=split, channel_axis=-1)
    np.testing.assert_array_equal(
        fill("biharmonic", picture, hole), np.rint(255 * values).astype(np.uint8)
    )


def test_biharmonic_continues_a_ramp():
    rows, columns = np.mgrid[:86, :86]
    picture = np.stack([3 * rows, 255 - 2 * columns, 2 * rows + columns], -1).astype(np.uint8)
    hole = inside_hole()
    spoiled = np.where(hole[..., None], 99, picture).astype(np.uint8)
    difference = np.abs(fill("biharmonic", spoiled, hole).astype(int) - picture)
    assert difference.max() <= 1


def test_patchmatch_beside_a_direct_call():
    picture, hole = photograph(), edge_hole()
    patchmatch.set_random_seed(0)
    direct = patchmatch.inpaint(picture, hole, patch_size=3)
    patchmatch.set_random_seed(1)
    np.testing.assert_array_equal(fill("patchmatch", picture, hole), direct)


def test_patchmatch_continues_a_texture():
    tile = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    picture = np.tile(tile, (12, 12, 1))
    hole = np.zeros((96, 96), bool)
    hole[30:60, 30:60] = True

    def error(name):
        return np.abs(fill(name, picture, hole).astype(int) - picture)[hole].mean()

    assert error("patchmatch") < 0.25 * error("biharmonic")


def test_patchmatch_without_its_library_says_what_to_install(monkeypatch):
    picture, hole = photograph(), inside_hole()
    monkeypatch.setattr(patchmatch, "patchmatch_available", False)
    with pytest.raises(UserError, match="without its native library"):
        fill("patchmatch", picture, hole)
    monkeypatch.setitem(sys.modules, "patchmatch", None)
    with pytest.raises(UserError, match=r"pip install 'jax_inpaint\[patchmatch\]' brings it"):
        baselines.import_patchmatch()
