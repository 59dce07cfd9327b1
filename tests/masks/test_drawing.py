from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks import draw_strokes
from jax_inpaint.masks.drawing import (
    between,
    draw_boxes,
    draw_polygons,
    draw_segments,
    pixel_scale,
    uniforms,
    whole_between,
)

HEIGHT, WIDTH = 76, 100  # some tiles of 32 pixels, and a part of one

segments = jax.jit(partial(draw_segments, height=HEIGHT, width=WIDTH))
strokes = jax.jit(partial(draw_strokes, height=HEIGHT, width=WIDTH))
polygons = jax.jit(partial(draw_polygons, height=HEIGHT, width=WIDTH))


def distances(start, end, widths):
    """How far each pixel is inside the widest reaching line, in float64; negative outside."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    inside = np.full((HEIGHT, WIDTH), -np.inf)
    for a, b, brush in zip(start, end, widths, strict=True):
        along = (b - a).astype(np.float64)
        square = max(along @ along, 1e-30)
        share = ((column - a[0]) * along[0] + (row - a[1]) * along[1]) / square
        share = np.clip(share, 0, 1)
        away = np.hypot(column - a[0] - share * along[0], row - a[1] - share * along[1])
        inside = np.maximum(inside, brush / 2 - away if brush > 0 else -np.inf)
    return inside


def random_segments(case, count=24):
    rng = np.random.default_rng(0)
    start, end = rng.uniform([-20, -20], [WIDTH + 20, HEIGHT + 20], (2, count, 2))
    if case == "whole pixels":
        start, end = np.round(start), np.round(end)
    if case == "horizontal":
        end[:, 1] = start[:, 1]
    if case == "vertical":
        end[:, 0] = start[:, 0]
    if case == "dots":
        end = start
    if case == "nearly upright":
        end[:, 0] = start[:, 0] + 1e-4 * rng.normal(size=count)
    if case == "nearly flat":
        end[:, 1] = start[:, 1] + 1e-4 * rng.normal(size=count)
    if case == "short":
        end = start + 1e-2 * rng.normal(size=(count, 2))
    widths = rng.uniform(0.5, 6, count)
    widths[0] = 0
    widths[1] = -1
    return start.astype(np.float32), end.astype(np.float32), widths.astype(np.float32)


@pytest.mark.parametrize(
    "case",
    [
        "any",
        "whole pixels",
        "horizontal",
        "vertical",
        "dots",
        "nearly upright",
        "nearly flat",
        "short",
    ],
)
def test_lines_are_the_pixels_within_half_a_width(case):
    start, end, widths = random_segments(case)
    mask = np.asarray(segments(start, end, widths))[..., 0] == 1
    inside = distances(start, end, widths)
    # A pixel on the very edge is drawn, and one a hair outside may be.
    assert np.all(mask[inside >= 0])
    assert not np.any(mask[inside < -5e-3])
    assert mask.any()
    assert not mask.all()


def test_mirrored_lines_between_whole_pixels_are_mirrored_bit_for_bit():
    start, end, widths = random_segments("whole pixels", 200)
    last = np.array([WIDTH - 1, HEIGHT - 1], np.float32)
    draw = jax.jit(jax.vmap(lambda *line: segments(*(part[None] for part in line))))
    masks = np.asarray(draw(start, end, widths))
    for x, y in ((True, False), (False, True), (True, True)):
        mirrored = draw(*(np.where([x, y], last - ends, ends) for ends in (start, end)), widths)
        axes = [axis for axis, flip in ((1, y), (2, x)) if flip]
        np.testing.assert_array_equal(mirrored, np.flip(masks, axes))


def test_a_pixel_on_the_edge_is_drawn():
    line = jnp.array([[10.0, 20.0]]), jnp.array([[40.0, 20.0]])
    mask = np.asarray(segments(*line, jnp.array([6.0])))[..., 0]
    assert set(np.flatnonzero(mask[:, 25])) == set(range(17, 24))
    # (3, 4) is 5 pixels away.
    dot = np.asarray(segments(line[0], line[0], jnp.array([10.0])))[..., 0]
    assert dot[23, 14] == dot[17, 6] == 1


def test_absent_strokes_and_repeated_vertices_add_nothing():
    stroke = jnp.array([[[10.0, 20.0], [40.0, 30.0]]])
    expected = strokes(stroke, jnp.array([7.0]))
    padded = jnp.concatenate([stroke, jnp.broadcast_to(stroke[:, -1:], (1, 5, 2))], axis=1)
    padded = jnp.concatenate([padded, padded + 8, padded], axis=0)
    np.testing.assert_array_equal(strokes(padded, jnp.array([7.0, -1.0, -1.0])), expected)
    dot = strokes(jnp.full((1, 3, 2), 20.0), jnp.array([7.0]))
    assert dot.sum() == 37  # pixel centres at most 3.5 away from one


def even_odd(points):
    """Which pixels a ray to the right crosses an odd number of edges from."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    inside = np.zeros((HEIGHT, WIDTH), bool)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        crosses = (a[1] <= row) != (b[1] <= row)
        rise = b[1] - a[1] if b[1] != a[1] else 1
        inside ^= crosses & (column < a[0] + (row - a[1]) * (b[0] - a[0]) / rise)
    return inside


def test_polygons_are_filled_by_the_even_odd_rule_and_laid_over_each_other():
    rng = np.random.default_rng(1)
    points = rng.uniform(-15, WIDTH + 15, (4, 9, 2)).astype(np.float32)
    drawn = np.array([True, False, True, True])
    mask = np.asarray(polygons(points, drawn))[..., 0] == 1
    expected = np.any([even_odd(p.astype(np.float64)) for p in points[drawn]], axis=0)
    # Single precision may decide otherwise about a pixel on an edge.
    assert (mask != expected).sum() <= 2
    assert 0.1 < mask.mean() < 0.95


def test_a_polygon_of_whole_pixels_is_as_opencv_fills_it_without_its_edge():
    points = np.array([[5, 4], [50, 10], [58, 40], [30, 25], [10, 44]])
    mask = np.asarray(polygons(points[None].astype(np.float32), np.array([True])))[..., 0]
    filled = cv2.fillPoly(np.zeros((HEIGHT, WIDTH), np.uint8), [points], 1)
    edge = cv2.polylines(np.zeros_like(filled), [points], True, 1)
    np.testing.assert_array_equal(mask[edge == 0], filled[edge == 0])


def test_boxes_are_slices():
    rows = jnp.array([3, 20, 7, 32, 8]), jnp.array([9, 76, 7, 64, 0])
    columns = jnp.array([60, 0, 5, 32, 5]), jnp.array([100, 11, 50, 33, 50])
    expected = np.zeros((HEIGHT, WIDTH))
    expected[3:9, 60:100] = 1
    expected[20:76, 0:11] = 1
    expected[32:64, 32] = 1
    mask = jax.jit(draw_boxes, static_argnums=(2, 3))(rows, columns, HEIGHT, WIDTH)
    np.testing.assert_array_equal(mask[..., 0], expected)


def test_a_large_picture_with_many_lines_takes_little_memory():
    lines = jax.ShapeDtypeStruct((250, 2), jnp.float32)
    widths = jax.ShapeDtypeStruct((250,), jnp.float32)
    compiled = jax.jit(draw_segments, static_argnums=(3, 4)).lower(lines, lines, widths, 512, 512)
    # All pixels against all lines would be 65 million numbers.
    assert compiled.compile().memory_analysis().temp_size_in_bytes < 8e6


def test_numbers_of_one_draw_have_the_shapes_asked_for_and_dont_repeat():
    parts = uniforms(jax.random.key(0), (), (3, 2), (500,))
    assert [part.shape for part in parts] == [(), (3, 2), (500,)]
    numbers = np.concatenate([np.ravel(part) for part in parts])
    assert len(set(numbers)) == len(numbers)
    assert numbers.min() >= 0
    assert numbers.max() < 1


def test_whole_numbers_include_both_bounds_and_nothing_else():
    almost_one = np.nextafter(np.float32(1), np.float32(0))
    assert whole_between(jnp.array([0, 0.49, 0.51, almost_one]), 7, 8).tolist() == [7, 7, 8, 8]
    for low, high in ((0, 0), (10, 11), (100, 1099), (-3, 1 << 20)):
        assert whole_between(jnp.array([0, almost_one]), low, high).tolist() == [low, high]
    numbers = whole_between(uniforms(jax.random.key(1), (6000,))[0], 2, 7)
    assert np.all(np.abs(np.bincount(numbers)[2:] - 1000) < 150)
    np.testing.assert_allclose(between(jnp.array([0, 0.5]), 2.0, 7.0), [2, 4.5])


def test_scale_is_relative_to_the_reference_or_1():
    assert pixel_scale(512, MaskConfig(reference_size=128)) == 4
    assert pixel_scale(512, MaskConfig(reference_size=0)) == 1
