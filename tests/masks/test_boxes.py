import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks import box_mask
from jax_inpaint.masks.boxes import (
    BAND,
    SEVERAL,
    Boxes,
    boxes_mask,
    center_mask,
    outpainting_mask,
    random_boxes,
)

ABSOLUTE = MaskConfig(reference_size=0)


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def each(function, *arguments):
    """``function(key, *arguments)`` for many keys, compiled."""
    return jax.jit(jax.vmap(lambda key: function(key, *arguments)))


def assert_same_distribution(first, second, what):
    """Two-sample Kolmogorov-Smirnov test at 1 in 100,000: there are a hundred of them."""
    first, second = np.sort(first), np.sort(second)
    values = np.concatenate([first, second])
    distance = np.abs(
        np.searchsorted(first, values, side="right") / len(first)
        - np.searchsorted(second, values, side="right") / len(second)
    ).max()
    limit = 2.47 * math.sqrt(1 / len(first) + 1 / len(second))
    assert distance < limit, f"{what}: {distance:.4f} apart, limit {limit:.4f}"


def boxes(count, height, width, config):
    """Top, bottom, left and right (exclusive) of many boxes, which are shown to be rectangles."""

    def edges(key):
        mask = box_mask(key, height, width, config)[..., 0] == 1
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        top, left = jnp.argmax(rows), jnp.argmax(columns)
        bottom, right = top + rows.sum(), left + columns.sum()
        row, column = jnp.arange(height)[:, None], jnp.arange(width)
        box = (row >= top) & (row < bottom) & (column >= left) & (column < right)
        return jnp.stack([top, bottom, left, right]), jnp.array_equal(mask, box)

    positions, rectangular = each(edges)(keys(count))
    assert np.all(rectangular)
    return np.asarray(positions).T


def test_box_is_the_official_one_at_256():
    top, bottom, left, right = boxes(2000, 256, 256, MaskConfig())
    rng = np.random.default_rng(0)
    for start, end in ((top, bottom), (left, right)):
        inset = (128 - (end - start)) / 2
        # Every value of official randint(0, 128) and randint(0, 32 // 2 + 1), and no other.
        assert set(start - inset) == set(range(128))
        assert set(inset) == set(range(17))
        assert_same_distribution(start - inset, rng.integers(0, 128, 2000), "start")
        assert_same_distribution(inset, rng.integers(0, 17, 2000), "inset")
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.08
    assert abs(np.corrcoef(bottom - top, right - left)[0, 1]) < 0.08


def test_box_and_its_margin_scale_with_the_side_of_the_image():
    config = MaskConfig(reference_size=64, box_size=(32, 32), box_jitter=8, box_margin=5)
    top, bottom, left, right = boxes(4000, 128, 64, config)
    for start, end, scale in ((top, bottom, 2), (left, right, 1)):
        inset = (32 * scale - (end - start)) / 2
        assert set(inset) == set(range(4 * scale + 1))
        assert set(start - inset) == set(range(5 * scale, 27 * scale))


def test_box_of_absolute_size_doesnt_scale():
    config = MaskConfig(reference_size=0, box_size=(32, 32), box_jitter=8)
    top, bottom, left, right = boxes(4000, 128, 24, config)
    # A box wider than the image becomes as wide, and has one place.
    for start, end, side, places in ((top, bottom, 32, 96), (left, right, 24, 1)):
        inset = (side - (end - start)) / 2
        assert set(inset) == set(range(5))
        assert set(start - inset) == set(range(places))


@pytest.mark.parametrize(
    ("size", "config"),
    [
        ((8, 8), MaskConfig()),
        ((8, 8), MaskConfig(box_size=(4, 9), box_jitter=3)),
        ((8, 640), MaskConfig(box_margin=100)),
        ((72, 40), MaskConfig(box_size=(500, 20), box_jitter=19)),
        ((72, 40), ABSOLUTE),
        ((8, 9), MaskConfig(reference_size=0, box_size=(1, 3), box_jitter=0, box_margin=30)),
    ],
)
def test_box_is_never_empty_nor_outside(size, config):
    top, bottom, left, right = boxes(200, *size, config)
    for start, end, side in ((top, bottom, size[0]), (left, right, size[1])):
        assert np.all(start >= 0)
        assert np.all(end > start)
        assert np.all(end <= side)


# Several boxes.


def corners(mask):
    """Of a single box: top, bottom, left, right (exclusive)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def test_several_boxes_are_one_to_five_of_32_to_128_pixels():
    assert Boxes(number=(1, 5), sides=(32, 128), margin=0) == SEVERAL
    single = SEVERAL._replace(number=(1, 1))
    masks = each(random_boxes, single, 256, 256, (1.0, 1.0))(keys(1500))[..., 0] == 1
    top, bottom, left, right = np.array([corners(mask) for mask in np.asarray(masks)]).T
    rng = np.random.default_rng(0)
    for start, end in ((top, bottom), (left, right)):
        sides = end - start
        assert (sides.min(), sides.max()) == (32, 128)
        assert_same_distribution(sides, rng.integers(32, 129, 1500), "side")
        assert start.min() == 0
        assert end.max() == 256
        # Every place that there is room for is as likely as any other.
        place = (start + 0.5) / (256 - sides + 1)
        assert_same_distribution(place, rng.uniform(size=1500), "place")
    assert abs(np.corrcoef(bottom - top, right - left)[0, 1]) < 0.1
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.1


def test_there_are_as_many_boxes_as_drawn_and_each_number_is_as_likely():
    # Boxes of one pixel on a large image hardly ever overlap.
    dots = SEVERAL._replace(sides=(1, 1))
    number = each(random_boxes, dots, 200, 300, (1.0, 1.0))(keys(1000)).sum(axis=(1, 2, 3))
    counts = np.bincount(np.asarray(number).astype(int), minlength=6)
    assert counts.sum() == counts[1:6].sum()
    assert np.all(np.abs(counts[1:] - 200) < 5 * math.sqrt(1000 * 0.2 * 0.8) + 5)


def test_several_boxes_scale_with_each_side_of_the_image():
    single = SEVERAL._replace(number=(1, 1), margin=16)
    masks = each(random_boxes, single, 128, 64, (0.5, 0.25))(keys(600))[..., 0] == 1
    top, bottom, left, right = np.array([corners(mask) for mask in np.asarray(masks)]).T
    assert (min(bottom - top), max(bottom - top)) == (16, 64)
    assert (min(right - left), max(right - left)) == (8, 32)
    assert (min(top), max(bottom), min(left), max(right)) == (8, 120, 4, 60)


@pytest.mark.parametrize("size", [(8, 8), (9, 200)])
def test_several_boxes_fit_any_image(size):
    masks = np.asarray(each(boxes_mask, *size, ABSOLUTE)(keys(50)))
    assert np.all(masks.max(axis=(1, 2, 3)) == 1)


# Outpainting.


def test_outpainting_is_bands_of_4_to_25_percent_at_every_side_half_of_the_time():
    assert tuple(BAND) == (0.04, 0.25)
    height, width = 100, 200
    masks = np.asarray(each(outpainting_mask, height, width, MaskConfig())(keys(1500)))[..., 0] == 1
    # The known rest is a rectangle.
    known = np.array([corners(~mask) for mask in masks])
    for mask, (top, bottom, left, right) in zip(masks, known, strict=True):
        assert not mask[top:bottom, left:right].any()
        assert (~mask).sum() == (bottom - top) * (right - left)
    top, bottom, left, right = known.T
    bands = np.stack([top, height - bottom, left, width - right], axis=1)
    assert np.all(bands.any(axis=1))
    # One of two sides, and the only one where the coin says none: 1/2 + 1/16/4.
    share = (bands > 0).mean(axis=0)
    assert np.all(np.abs(share - (1 / 2 + 1 / 64)) < 5 * math.sqrt(0.25 / 1500))
    for band, side in zip(bands.T, (height, height, width, width), strict=True):
        assert band[band > 0].min() == round(0.04 * side)
        assert band.max() == round(0.25 * side)


@pytest.mark.parametrize(("height", "width"), [(256, 256), (32, 48), (31, 50)])
def test_the_centre_box_has_half_the_sides(height, width):
    mask = np.asarray(center_mask(jax.random.key(0), height, width, MaskConfig()))[..., 0]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert (len(rows), len(columns)) == (height // 2, width // 2)
    assert mask.sum() == (height // 2) * (width // 2)
    for places, side in ((rows, height), (columns, width)):
        assert 0 <= (side - 1 - places[-1]) - places[0] <= 1
