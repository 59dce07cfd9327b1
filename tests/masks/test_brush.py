import math
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.pil_masks import official_strokes, pil_mask
from jax_inpaint.config import MaskConfig
from jax_inpaint.masks import (
    box_mask,
    brush_mask,
    brush_strokes,
    draw_strokes,
    union_mask,
)

ABSOLUTE = MaskConfig(reference_size=0)


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def each(function, *arguments):
    """``function(key, *arguments)`` for many keys, compiled."""
    return jax.jit(jax.vmap(lambda key: function(key, *arguments)))


@cache
def strokes(height, width, config=ABSOLUTE, count=4000):
    """Points (count, strokes, vertices, 2) and widths (count, strokes) of many masks."""
    arrays = each(brush_strokes, height, width, config)(keys(count))
    return tuple(np.asarray(array, np.float64) for array in arrays)


@partial(jax.jit, static_argnums=(2, 3))
@partial(jax.vmap, in_axes=(0, 0, None, None))
def draw(points, widths, height, width):
    return draw_strokes(points, widths, height, width)[..., 0] == 1


@cache
def drawn(size, count):
    """Masks of the first of ``strokes(*size)``, bool (count, height, width)."""
    points, widths = (array[:count].astype(np.float32) for array in strokes(*size))
    parts = (slice(start, start + 40) for start in range(0, count, 40))  # which fit the memory
    return np.concatenate([draw(points[part], widths[part], *size) for part in parts])


def as_strokes(points, widths):
    """What brush_strokes returns for one mask, as the list that pil_mask takes."""
    return [
        ([(int(x), int(y)) for x, y in vertices], int(brush))
        for vertices, brush in zip(points, widths, strict=True)
        if brush > 0
    ]


def as_arrays(masks_strokes):
    """Lists of strokes, padded as brush_strokes does."""
    points = np.zeros((len(masks_strokes), 3, 12, 2))
    widths = np.full((len(masks_strokes), 3), -1.0)
    for i, strokes in enumerate(masks_strokes):
        for j, (vertices, brush) in enumerate(strokes):
            points[i, j] = vertices + [vertices[-1]] * (12 - len(vertices))
            widths[i, j] = brush
    return points, widths


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


DRAWN = [((256, 256), 200), ((96, 224), 600)]


@pytest.mark.parametrize(
    "size",
    # The small one shows that the deviation of the length is a whole number, as official.
    [(256, 256), (96, 224), (56, 24)],
)
def test_strokes_are_distributed_as_the_official_ones(size):
    height, width = size
    rng = np.random.default_rng(1)
    ours = strokes(*size)
    official = as_arrays([official_strokes(rng, *size) for _ in range(len(ours[0]))])
    for points, widths in (ours, official):
        assert set((widths > 0).sum(axis=1)) == {1, 2, 3}
        points, widths = points[widths > 0], widths[widths > 0]
        assert set(widths) == set(range(12, 40))
        np.testing.assert_array_equal(points, np.floor(points))
        assert points.min() == 0
        assert tuple(points.max(axis=(0, 1))) == (width, height)
        assert tuple(points[:, 0].max(axis=0)) == (width - 1, height - 1)
        # Truncation lengthens a move by less than a pixel each way.
        longest = np.linalg.norm(np.diff(points, axis=1), axis=-1).max()
        assert abs(longest - math.hypot(height, width) / 4) < 1.5

    def statistics(points, widths):
        yield "strokes", (widths > 0).sum(axis=1)
        points, widths = points[widths > 0], widths[widths > 0]
        yield "width", widths
        moves = np.diff(points, axis=1)
        moved = np.any(moves != 0, axis=-1)
        yield "segments", moved.shape[1] - np.argmax(moved[:, ::-1], axis=1)
        yield "length", np.linalg.norm(moves[:, 0], axis=-1)
        # Later vertices of a stroke depend on earlier ones, hence one statistic for each.
        for i in range(12):
            yield f"x of vertex {i}", points[:, i, 0]
            yield f"y of vertex {i}", points[:, i, 1]
        for i in range(3):
            angle = np.arctan2(moves[:, i, 1], moves[:, i, 0])
            yield f"direction {i}", angle[moved[:, i]]

    for (what, mine), (_, theirs) in zip(statistics(*ours), statistics(*official), strict=True):
        assert_same_distribution(mine, theirs, what)


@pytest.mark.parametrize(("size", "count"), DRAWN)
def test_coverage_is_distributed_as_official(size, count):
    rng = np.random.default_rng(2)
    ours = drawn(size, count).mean(axis=(1, 2))
    official = np.array(
        [pil_mask(official_strokes(rng, *size), *size).mean() for _ in range(count)]
    )
    assert_same_distribution(ours, official, "coverage")
    error = math.hypot(ours.std(), official.std()) / math.sqrt(count)
    assert abs(ours.mean() - official.mean()) < 3 * error
    assert abs(ours.std() / official.std() - 1) < 3 / math.sqrt(count)
    # Quantiles between 10 and 90 % scatter up to about twice as much as the mean.
    for share in (10, 25, 50, 75, 90):
        assert abs(np.percentile(ours, share) - np.percentile(official, share)) < 5 * error


@pytest.mark.parametrize(("size", "count"), DRAWN)
def test_pil_draws_the_same_strokes_alike(size, count):
    ours = drawn(size, count)
    points, widths = strokes(*size)
    theirs = [pil_mask(as_strokes(points[i], widths[i]), *size) == 1 for i in range(count)]
    overlap = [(a & b).sum() / (a | b).sum() for a, b in zip(ours, theirs, strict=True)]
    assert np.mean(overlap) > 0.97
    assert min(overlap) > 0.9
    assert abs(ours.mean() / np.mean(theirs) - 1) < 0.01


@pytest.mark.parametrize("brush", [3, 12, 13, 39])
def test_strokes_are_as_wide_as_asked_and_as_pils(brush):
    angles = np.radians(np.arange(0, 180, 4.5))
    half = 90 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    ends = np.round(128 + np.stack([-half, half], axis=1)).astype(np.float32)[:, None]
    masks = np.asarray(draw(ends, np.full((len(ends), 1), brush, np.float32), 256, 256))

    # Measured over the middle half of each stroke, where the round ends don't count.
    row, column = np.mgrid[:256, :256]
    direction = half / 90
    along = (column - 128) * direction[:, :1, None] + (row - 128) * direction[:, 1:, None]
    middle = np.abs(along) < 45
    theirs = np.stack([pil_mask(as_strokes(end, [brush]), 256, 256) == 1 for end in ends])
    ours, theirs = ((mask & middle).sum(axis=(1, 2)) / 90 for mask in (masks, theirs))
    assert np.all(np.abs(ours - brush) < 1)  # along an axis, an even width gets the odd one above
    assert abs(ours.mean() - brush) < 0.1
    assert abs(ours.mean() - theirs.mean()) < 0.7  # PIL rounds the corners of what it fills


def test_brush_masks_are_the_strokes_mirrored_in_all_four_ways_alike():
    @each
    def ways(key):
        mask = brush_mask(key, 40, 56, MaskConfig())
        drawn = draw_strokes(*brush_strokes(jax.random.split(key)[1], 40, 56, MaskConfig()), 40, 56)
        flipped = jnp.stack([drawn, drawn[::-1], drawn[:, ::-1], drawn[::-1, ::-1]])
        return jnp.all(flipped == mask, axis=(1, 2, 3))

    found = np.asarray(ways(keys(800)))
    assert np.all(found.any(axis=1))
    # Each way a quarter of the time, five deviations of a binomial at most off.
    assert np.all(np.abs(found.mean(axis=0) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 800))


def test_union_is_the_larger_of_box_and_brush():
    @jax.jit
    def together(key):
        box_key, brush_key = jax.random.split(key)
        return (
            union_mask(key, 64, 96, MaskConfig()),
            box_mask(box_key, 64, 96, MaskConfig()),
            brush_mask(brush_key, 64, 96, MaskConfig()),
        )

    union, box, brush = together(jax.random.key(5))
    np.testing.assert_array_equal(union, jnp.maximum(box, brush))
    assert jnp.any(box > brush)
    assert jnp.any(brush > box)


def test_brush_scales_with_the_shorter_side():
    _, reference = strokes(256, 256)
    points, widths = strokes(512, 768, MaskConfig())
    np.testing.assert_array_equal(np.where(widths > 0, widths // 2, -1), reference)
    assert (widths[widths > 0].min(), widths.max()) == (24, 79)
    assert tuple(points.max(axis=(0, 1, 2))) == (768, 512)


def test_brush_follows_its_configuration():
    config = MaskConfig(strokes=(2, 5), vertices=(1, 3), brush_width=(5.0, 5.0), reference_size=0)
    points, widths = strokes(64, 64, config, count=500)
    assert points.shape[1:] == (5, 4, 2)
    assert set((widths > 0).sum(axis=1)) == {2, 3, 4, 5}
    assert set(np.unique(widths)) == {-1, 5}


@pytest.mark.parametrize("size", [(96, 224), (56, 24)])
def test_brush_reaches_every_part_of_images_that_arent_square(size):
    reached = drawn(size, 600).mean(axis=0)
    assert reached.min() > 0
    # Strokes wander to the right, as official; still no quarter of the image is left out.
    quarters = [part for half in np.array_split(reached, 2) for part in np.array_split(half, 2, 1)]
    assert min(part.mean() for part in quarters) > reached.mean() / 2
