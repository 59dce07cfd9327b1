import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.damage import (
    FRAGMENTS,
    SCRATCHES,
    _border_points,
    fragments_mask,
    scratches_mask,
)


def masks(function, count, height, width, config=MaskConfig()):  # noqa: B008 (frozen)
    keys = jax.random.split(jax.random.key(0), count)
    drawn = jax.jit(jax.vmap(lambda key: function(key, height, width, config)))(keys)
    return np.asarray(drawn)[..., 0].astype(np.uint8)


def thick_share(drawn, pixels):
    """Share of the hole pixels that are in a disc of so many pixels inside the hole."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (pixels, pixels))
    opened = [cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc) for mask in drawn]
    return np.sum(opened) / np.sum(drawn)


def test_scratches_are_thin_long_and_few_percent_of_the_image():
    scratches = masks(scratches_mask, 30, 256, 256)
    covered = scratches.mean(axis=(1, 2))
    assert covered.min() > 0.002
    assert covered.max() < 0.12
    # Up to 3 pixels, and thicker only where two cross.
    assert thick_share(scratches, 2) > 0.3
    assert thick_share(scratches, 5) < 0.1
    longest = []
    for mask in scratches:
        _, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        longest.append(np.hypot(boxes[1:, 2], boxes[1:, 3]).max())
    assert np.mean(longest) > 128


def test_scratches_are_at_least_a_pixel_wide_and_dont_break():
    scratches = masks(scratches_mask, 100, 32, 32)
    counts = [cv2.connectedComponents(mask, connectivity=8)[0] - 1 for mask in scratches]
    assert min(counts) >= 1
    assert max(counts) <= SCRATCHES[1]


def test_scratches_scale_with_the_image():
    scratches = masks(scratches_mask, 10, 512, 512)
    assert thick_share(scratches, 4) > 0.3
    assert thick_share(scratches, 9) < 0.1


@pytest.mark.parametrize("size", [(128, 128), (64, 160)])
def test_fragments_are_torn_from_the_border_and_reach_every_part_of_it(size):
    fragments = masks(fragments_mask, 150, *size)
    border = np.ones(size, bool)
    border[1:-1, 1:-1] = False
    for mask in fragments:
        _, labels = cv2.connectedComponents(mask, connectivity=4)
        assert mask.any()
        assert not mask.all()
        # Chips that came off on their own are a small part.
        at_border = np.isin(labels, np.unique(labels[border])) & (mask == 1)
        assert at_border.sum() > 0.9 * mask.sum()
    assert np.all(fragments.max(axis=0)[border] == 1)
    reached = fragments.mean(axis=0)
    assert reached[border].mean() > 3 * reached[size[0] // 2, size[1] // 2]
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert 0.05 < reached[corner] < 0.7


def test_at_most_so_many_large_fragments():
    for mask in masks(fragments_mask, 100, 128, 128):
        _, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        assert np.sum(boxes[1:, cv2.CC_STAT_AREA] > 40) <= FRAGMENTS[1] + 1


def test_tears_are_ragged():
    ratios = []
    for mask in masks(fragments_mask, 30, 256, 256):
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=cv2.contourArea)
        hull = cv2.convexHull(outline)
        ratios.append(cv2.arcLength(outline, True) / cv2.arcLength(hull, True))
    assert np.median(ratios) > 1.2


def test_points_along_the_border_go_round_it_clockwise():
    distance = jnp.array([0.0, 4, 8, 10, 13, 17, 21, 24, 26, 31])
    points = np.asarray(_border_points(distance, height=5, width=8)) + 0.5
    expected = [[0, 0], [4, 0], [8, 0], [8, 2], [8, 5], [4, 5], [0, 5], [0, 2], [0, 0], [5, 0]]
    np.testing.assert_allclose(points, expected)
