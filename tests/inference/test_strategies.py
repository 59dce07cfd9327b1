"""Strategies with networks whose pictures are known, and plans of crops."""

import copy

import numpy as np
import pytest

from jax_inpaint.inference.blending import blend
from jax_inpaint.inference.strategies import (
    Canvas,
    Filling,
    fitting,
    plan_crops,
    pyramid,
    scaled_down,
    scaled_up,
    with_details,
)

WORKING = 64


def smooth(height, width):
    """A picture of slow waves, float32 in [-1, 1]."""
    y, x = np.mgrid[:height, :width] / 40
    waves = (np.sin(x), np.cos(y), np.sin(x + y))
    return np.stack(waves, axis=-1).astype(np.float32) * np.float32(0.9)


def rectangles(size, *boxes):
    hole = np.zeros(size, bool)
    for top, left, bottom, right in boxes:
        hole[top:bottom, left:right] = True
    return hole


class MeanColour:
    """A network that draws the mean of what it knows, and remembers what it was shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, images, holes, sketches, guesses):
        self.shown.append(copy.deepcopy((images, holes, sketches, guesses)))
        return [
            np.broadcast_to(image[~hole].mean(axis=0), image.shape).astype(np.float32)
            for image, hole in zip(images, holes, strict=True)
        ]


def plain(picture, filled, hole):
    return blend(picture, filled, hole, "none")


def run(strategy, image, hole, sketch=None, network=None):
    network = network or MeanColour()
    shares = []
    canvas = Canvas(
        np.where(hole[..., None], np.nan, image).astype(np.float32), hole.copy(), sketch
    )
    Filling(network, plain, WORKING, shares.append).fill(canvas, strategy)
    assert not canvas.hole.any()
    assert np.isfinite(canvas.image).all()
    np.testing.assert_array_equal(canvas.image[~hole], image[~hole])
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    return canvas.image, network.shown


HOLES = {
    "one": rectangles((150, 210), (20, 30, 50, 55)),
    "several": rectangles((150, 210), (20, 30, 40, 45), (100, 150, 120, 170), (0, 200, 9, 210)),
    "large": rectangles((150, 210), (10, 20, 130, 190)),
    "nearly all": ~rectangles((150, 210), (70, 100, 72, 102)),
    "a line": rectangles((150, 210), (75, 0, 76, 210)),
    "specks": np.random.default_rng(0).random((150, 210)) < 0.01,
    "a pixel": rectangles((150, 210), (149, 209, 150, 210)),
}


@pytest.mark.parametrize("strategy", ["auto", "original", "resize", "crop", "refine"])
@pytest.mark.parametrize("name", HOLES)
def test_every_strategy_fills_all_of_the_hole_and_nothing_else(name, strategy):
    image, hole = smooth(*HOLES[name].shape), HOLES[name]
    _, shown = run(strategy, image, hole)
    for images, holes, _, _ in shown:
        for part, its_hole in zip(images, holes, strict=True):
            assert its_hole.any()
            if strategy in ("auto", "crop") and name in ("one", "several", "specks", "a pixel"):
                assert max(part.shape[:2]) <= WORKING
            if strategy == "resize":
                assert max(part.shape[:2]) == WORKING


def test_auto_is_original_for_small_pictures_and_crop_for_large_ones():
    filling = Filling(MeanColour(), plain, WORKING)
    assert filling.choose(np.zeros((96, 96), bool), "auto") == "original"
    assert filling.choose(np.zeros((20, 97), bool), "auto") == "crop"
    assert filling.choose(np.zeros((20, 97), bool), "refine") == "refine"


def test_crops_show_native_pixels_around_the_hole():
    hole = HOLES["one"]
    image = smooth(*hole.shape)
    _, ((images, holes, _, _),) = run("crop", image, hole)
    assert images[0].shape == (WORKING, WORKING, 3)
    assert holes[0].sum() == hole.sum()
    # The hole's middle is the crop's, as far as the border of the picture lets it.
    assert np.argwhere(holes[0]).mean(axis=0) == pytest.approx([31.5, 31.5], abs=1)
    found = [
        np.array_equal(images[0][~holes[0]], image[y : y + 64, x : x + 64][~holes[0]])
        for y in range(5)
        for x in range(20)
    ]
    assert sum(found) == 1


def test_later_crops_see_what_earlier_ones_filled_and_the_largest_comes_first():
    hole = rectangles((64, 130), (10, 20, 40, 50), (10, 62, 30, 82))
    _, shown = run("crop", smooth(64, 130), hole)
    assert [holes[0].sum() for _, holes, _, _ in shown] == [30 * 30 + 20 * 5, 20 * 20]
    assert np.isfinite(shown[1][0][0][~shown[1][1][0]]).all()


def test_neighbours_share_a_crop_if_it_has_the_working_size():
    near = rectangles((200, 200), (50, 50, 60, 60), (65, 65, 75, 75))
    far = rectangles((200, 200), (50, 50, 60, 60), (120, 120, 130, 130))
    assert len(list(plan_crops(near, WORKING))) == 1
    assert len(list(plan_crops(far, WORKING))) == 2


@pytest.mark.parametrize("name", HOLES)
def test_crops_cover_every_hole_once(name):
    hole = HOLES[name]
    count = np.zeros(hole.shape, int)
    for rows, columns, own in plan_crops(hole, WORKING):
        height, width = own.shape
        assert height == min(hole.shape[0], max(height, WORKING))
        assert width == min(hole.shape[1], max(width, WORKING))
        count[rows, columns] += own
    np.testing.assert_array_equal(count, hole)


def test_refining_doubles_sizes_and_guides_each_by_the_one_before():
    image, hole = smooth(256, 200), rectangles((256, 200), (60, 50, 200, 150))
    _, shown = run("refine", image, hole)
    assert [images[0].shape for images, *_ in shown] == [(64, 50, 3), (128, 100, 3), (256, 200, 3)]
    assert shown[0][3] is None
    for images, _, _, guesses in shown[1:]:
        assert guesses[0].shape == images[0].shape


def test_sketches_follow_the_picture():
    image, hole = smooth(256, 200), rectangles((256, 200), (60, 50, 200, 150))
    sketch = rectangles((256, 200), (100, 60, 103, 140))
    for strategy in ("original", "resize", "refine", "crop"):
        _, shown = run(strategy, image, hole, sketch)
        for images, holes, sketches, _ in shown:
            assert sketches[0].shape == holes[0].shape == images[0].shape[:2]
            assert sketches[0].any()
            assert sketches[0].mean() < 0.1
    _, shown = run("resize", image, hole)
    assert shown[0][2] is None


def test_what_was_under_the_hole_does_not_shine_through_when_scaled_down():
    image, hole = smooth(150, 210), HOLES["specks"]
    bright = np.where(hole[..., None], np.float32(50), image)
    small = scaled_down(Canvas(bright, hole), (75, 105))
    expected = scaled_down(
        Canvas(np.where(hole[..., None], np.float32(-9), image), hole), (75, 105)
    )
    np.testing.assert_array_equal(small.image, expected.image)
    assert np.abs(small.image[~small.hole]).max() <= 0.9


def test_scaling_down_is_the_mean_of_known_pixels():
    image, hole = smooth(8, 12), rectangles((8, 12), (0, 0, 3, 4))
    small = scaled_down(Canvas(image, hole), (4, 6))
    blocks = image.reshape(4, 2, 6, 2, 3)
    known = ~hole.reshape(4, 2, 6, 2)[..., None]
    means = (blocks * known).sum(axis=(1, 3)) / np.maximum(known.sum(axis=(1, 3)), 1)
    np.testing.assert_allclose(small.image[~small.hole], means[~small.hole], atol=1e-6)
    np.testing.assert_array_equal(small.hole[:, 0], [True, False, False, False])


def test_details_of_a_drawing_join_a_guess():
    coarse = smooth(64, 48)
    guess = scaled_up(coarse, (128, 96))
    # With no details in it, a drawing adds nothing.
    np.testing.assert_allclose(with_details(guess, smooth(128, 96) * 0 + 0.5), guess, atol=1e-6)
    # A drawing that is right but for its colours gets the guess's.
    checks = (np.indices((128, 96)).sum(axis=0) % 2 - 0.5)[..., None].astype(np.float32) * 0.2
    drawn = np.clip(np.float32(0.3) + checks, -1, 1) * np.ones(3, np.float32)
    inner = slice(4, -4)
    joined = with_details(guess * np.float32(0.8), drawn)
    expected = guess * np.float32(0.8) + checks
    np.testing.assert_allclose(joined[inner, inner], expected[inner, inner], atol=0.02)


def test_sizes():
    assert fitting((300, 200), 100) == (100, 67)
    assert fitting((30, 20), 100) == (30, 20)
    assert fitting((5000, 1), 100) == (100, 1)
    assert list(pyramid((30, 20), 64)) == [(30, 20)]
    assert list(pyramid((3000, 4000), 512)) == [(375, 500), (750, 1000), (1500, 2000), (3000, 4000)]
