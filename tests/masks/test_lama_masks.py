import math

import cv2
import jax
import numpy as np
import pytest

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.boxes import Boxes
from jax_inpaint.masks.lama import (
    IRREGULAR,
    LAMA,
    SEGMENTS,
    Strokes,
    irregular_mask,
    lama_mask,
    wandering_strokes,
)


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def each(function, *arguments, **named):
    return jax.jit(jax.vmap(lambda key: function(key, *arguments, **named)))


# The published generators in NumPy and OpenCV, with the parameters of their configuration files.

LAMA_FILES = {  # min_times, max_times, max_width, max_len; box share, margin, min, max, times
    ("thin", 256): ((4, 50, 10, 40), None),
    ("thin", 512): ((4, 70, 20, 100), None),
    ("medium", 256): ((4, 5, 50, 100), (0.3, 0, 10, 50, 1, 5)),
    ("medium", 512): ((4, 10, 100, 200), (0.3, 0, 30, 150, 1, 5)),
    ("thick", 256): ((1, 5, 100, 200), (0.3, 10, 30, 150, 1, 3)),
    ("thick", 512): ((1, 5, 250, 450), (0.3, 10, 30, 300, 1, 4)),
    ("wide", 256): ((1, 5, 100, 200), (1.0, 10, 30, 150, 1, 4)),
}


def published_lama(rng, size, strokes, boxes):
    mask = np.zeros((size, size), np.uint8)
    if boxes and rng.random() < boxes[0] / (1 + boxes[0]):
        _, margin, least, most, few, many = boxes
        for _ in range(rng.integers(few, many + 1)):
            width, height = rng.integers(least, most + 1, 2)
            x = rng.integers(margin, size - margin - width + 1)
            y = rng.integers(margin, size - margin - height + 1)
            mask[y : y + height, x : x + width] = 1
        return mask
    few, many, thickest, longest = strokes
    for number in range(rng.integers(few, many + 2)):
        x, y = rng.integers(0, size, 2)
        for _ in range(rng.integers(1, 6)):
            angle = (0.01 + rng.integers(4)) * (-1 if number % 2 == 0 else 1)
            length, brush = 10 + rng.integers(longest), 5 + rng.integers(thickest)
            next_x = int(np.clip(int(x + length * math.sin(angle)), 0, size))
            next_y = int(np.clip(int(y + length * math.cos(angle)), 0, size))
            cv2.line(mask, (int(x), int(y)), (next_x, next_y), 1, int(brush))
            x, y = next_x, next_y
    return mask


def published_irregular(rng, size):
    mask = np.zeros((size, size), np.uint8)
    for number in range(rng.integers(4, 10)):
        x, y = rng.integers(0, size, 2)
        for _ in range(rng.integers(1, 6)):
            angle = (0.01 + rng.integers(6)) * (-1 if number % 2 == 0 else 1)
            length, brush = rng.integers(20, 128), rng.integers(10, 45)
            next_x = int(x + length * math.cos(angle))
            next_y = int(y + length * math.sin(angle))
            cv2.line(mask, (int(x), int(y)), (next_x, next_y), 1, int(brush))
            x, y = next_x, next_y
    return mask


def assert_alike(ours, theirs):
    """Coverage, and how often each quarter and the middle are hole, within what chance explains."""

    def figures(masks):
        half = masks.shape[1] // 2
        middle = masks[:, half // 2 : -half // 2, half // 2 : -half // 2]
        quarters = [masks[:, i : i + half, j : j + half] for i in (0, half) for j in (0, half)]
        return np.stack([part.mean(axis=(1, 2)) for part in (masks, middle, *quarters)])

    ours, theirs = figures(ours), figures(theirs)
    chance = np.hypot(ours.std(axis=1), theirs.std(axis=1)) / math.sqrt(ours.shape[1])
    # OpenCV's lines are up to half a pixel wider.
    assert np.all(np.abs(ours.mean(axis=1) - theirs.mean(axis=1)) < 4.5 * chance + 0.01)
    assert abs(ours[0].std() / theirs[0].std() - 1) < 4 / math.sqrt(ours.shape[1])


@pytest.mark.parametrize(("kind", "size"), sorted(LAMA_FILES.keys() - {("thin", 512)}))
def test_lama_masks_are_distributed_as_the_published_generators(kind, size):
    count = 150 if size == 256 else 40
    masks = each(lama_mask, size, size, MaskConfig(), kind=kind)(keys(count))[..., 0]
    rng = np.random.default_rng(0)
    published = np.stack([published_lama(rng, size, *LAMA_FILES[kind, size]) for _ in range(count)])
    assert_alike(np.asarray(masks), published)


def test_irregular_masks_are_distributed_as_mmagics():
    masks = each(irregular_mask, 256, 256, MaskConfig())(keys(150))[..., 0]
    rng = np.random.default_rng(0)
    assert_alike(np.asarray(masks), np.stack([published_irregular(rng, 256) for _ in range(150)]))


@pytest.mark.parametrize(("kind", "size"), sorted(LAMA_FILES))
def test_tables_say_what_the_configuration_files_say(kind, size):
    (table,) = (table for table in LAMA[kind] if table.side == size)
    (few, many, thickest, longest), boxes = LAMA_FILES[kind, size]
    # RandomIrregularMaskGenerator adds one to max_times; the others are exclusive.
    assert table.strokes == Strokes(
        (few, many + 1), 4, (10, 10 + longest - 1), (5, 5 + thickest - 1)
    )
    assert table.box_weight == (boxes[0] if boxes else 0)
    if boxes:
        _, margin, least, most, few, many = boxes
        assert table.boxes == Boxes((few, many), (least, most), margin)


@pytest.mark.parametrize("strokes", [LAMA["thin"][0].strokes, LAMA["thick"][0].strokes, IRREGULAR])
def test_strokes_have_the_published_numbers_lengths_widths_and_directions(strokes):
    height, width = 200, 300
    draw = each(wandering_strokes, strokes, height, width, 1.0)
    start, end, widths = (np.asarray(a, np.float64) for a in draw(keys(1500)))
    shape = (1500, SEGMENTS, strokes.number[1])  # first segments of all strokes, then second ones
    start, end = start.reshape(*shape, 2), end.reshape(*shape, 2)
    drawn = widths.reshape(shape) > 0
    assert set(drawn[:, 0].sum(axis=1)) == set(range(strokes.number[0], strokes.number[1] + 1))
    segments = drawn.sum(axis=1)[drawn[:, 0]]
    assert set(segments) == set(range(1, SEGMENTS + 1))
    assert abs(segments.mean() - 3) < 0.1
    # A stroke goes on where it was, and stops for good.
    np.testing.assert_array_equal(start[:, 1:], end[:, :-1])
    assert not np.any(drawn[:, 1:] & ~drawn[:, :-1])
    assert set(widths[widths > 0]) == set(range(strokes.width[0], strokes.width[1] + 1))
    np.testing.assert_array_equal(start, np.trunc(start))
    first = start[:, 0].reshape(-1, 2)
    assert tuple(first.min(axis=0)) == (0, 0)
    assert tuple(first.max(axis=0)) == (width - 1, height - 1)

    moves = end - start
    if strokes.inside:
        assert end.min() == 0
        assert tuple(end.max(axis=(0, 1, 2))) == (width, height)
        free = np.all((end > 0) & (end < [width, height]), axis=-1)
    else:
        assert end.min() < 0
        free = np.ones(shape, bool)
    lengths = np.linalg.norm(moves, axis=-1)[free]
    assert lengths.min() > strokes.length[0] - 1.5
    assert lengths.max() < strokes.length[1] + 1.5
    # Multiples of a radian from downwards, to the left in strokes 0, 2, ...; truncation bends them.
    long = free & (np.linalg.norm(moves, axis=-1) > 30)
    for parity, sign in ((0, -1), (1, 1)):
        chosen = moves[:, :, parity::2][long[:, :, parity::2]]
        angle = np.arctan2(sign * chosen[:, 0], chosen[:, 1]) % (2 * math.pi)
        number = np.round(angle) % 6
        assert np.all(np.abs((angle - number + 1) % (2 * math.pi) - 1) < 0.08)
        assert set(number) == set(range(strokes.directions))


def test_strokes_scale():
    draw = [each(wandering_strokes, IRREGULAR, 64, 96, scale) for scale in (1.0, 3.0)]
    (start, end, widths), (start3, end3, widths3) = (function(keys(50)) for function in draw)
    np.testing.assert_allclose(widths3, np.where(widths > 0, 3 * widths, -1), rtol=1e-6)
    first = np.asarray(start).reshape(50, SEGMENTS, -1, 2)[:, 0]
    np.testing.assert_array_equal(np.asarray(start3).reshape(50, SEGMENTS, -1, 2)[:, 0], first)
    moves, moves3 = end - start, end3 - start3
    np.testing.assert_allclose(moves3, 3 * moves, atol=8)


def test_small_masks_are_those_of_256_pixels_made_smaller():
    def coverage(config, size):
        masks = each(lama_mask, size, size, config, kind="medium")(keys(60))
        return np.asarray(masks).mean(axis=(1, 2, 3))

    ours, full = coverage(MaskConfig(), 64), coverage(MaskConfig(), 256)
    # The same keys draw the same strokes, rounded to the pixels of another image.
    assert np.corrcoef(ours, full)[0, 1] > 0.9
    assert abs(ours.mean() / full.mean() - 1) < 0.1


def test_absolute_sizes_dont_scale():
    config = MaskConfig(reference_size=0)
    small, large = (
        each(lama_mask, side, side, config, kind="thin")(keys(16)) for side in (64, 256)
    )
    # Strokes made for 256 pixels crowd an image of 64.
    assert np.mean(small) > 1.8 * np.mean(large)
