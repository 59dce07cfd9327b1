import numpy as np
import pytest
import skimage.data
from scipy import ndimage

from jax_inpaint.inference.blending import blend, edge_step, feather, poisson_blend


def pictures(height=14, width=17, dtype=np.float32):
    rng = np.random.default_rng(0)
    return rng.uniform(-0.5, 0.5, (2, height, width, 3)).astype(dtype)


def box(top, bottom, left, right, height=14, width=17):
    hole = np.zeros((height, width), bool)
    hole[top:bottom, left:right] = True
    return hole


SHAPES = {
    "even": box(3, 9, 4, 10),
    "odd": box(3, 10, 4, 9),
    "corner": box(0, 6, 0, 5),
    "edge": box(9, 14, 6, 12),
    "stripe": box(5, 9, 0, 17),
    "two": box(1, 4, 1, 4) | box(6, 12, 8, 15),
    "ragged": np.random.default_rng(1).random((14, 17)) < 0.6,
    "all_but_one_pixel": ~box(7, 8, 3, 4),
}


def mean_step_by_pairs(filled, hole):
    """Means of the rise from a known pixel to a neighbour in the hole, of those at most 8 away."""
    pairs = []
    for row, column in np.argwhere(hole):
        for other in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= other[0] < hole.shape[0] and 0 <= other[1] < hole.shape[1]
            if inside and not hole[other]:
                pairs.append((row, column, filled[row, column] - filled[other]))
    steps = np.zeros((*hole.shape, filled.shape[-1]))
    for row, column in np.ndindex(hole.shape):
        near = [rise for r, c, rise in pairs if max(abs(r - row), abs(c - column)) <= 8]
        if near:
            steps[row, column] = np.mean(near, axis=0)
    return steps


@pytest.mark.parametrize("hole", [*SHAPES.values(), box(4, 9, 30, 40, 25, 60)])
def test_the_mean_step_of_a_fill(hole):
    _, filled = pictures(*hole.shape, np.float64)
    expected = mean_step_by_pairs(filled, hole)
    np.testing.assert_allclose(edge_step(filled, hole), expected, atol=1e-12)


def solve_densely(picture, filled, hole):
    """The blend that has the fill's differences between neighbours, in the least-squares sense.

    Every pair of neighbours of which at least one is in the hole is a row of the system. From those
    across the edge, the fill's own mean step there is taken off.
    """
    step = mean_step_by_pairs(filled, hole)
    pixels = [tuple(pixel) for pixel in np.argwhere(hole)]
    rows, values = [], []
    for row in range(hole.shape[0]):
        for column in range(hole.shape[1]):
            for other in ((row + 1, column), (row, column + 1)):
                here = (row, column)
                if other[0] >= hole.shape[0] or other[1] >= hole.shape[1]:
                    continue
                if not hole[here] and not hole[other]:
                    continue
                equation, value = np.zeros(len(pixels)), filled[other] - filled[here]
                if hole[here] != hole[other]:
                    value = value - (step[other] if hole[other] else -step[here])
                for pixel, sign in ((other, 1), (here, -1)):
                    if hole[pixel]:
                        equation[pixels.index(pixel)] = sign
                    else:
                        value = value - sign * picture[pixel]
                rows.append(equation)
                values.append(value)
    solution = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    blend = picture.copy()
    blend[hole] = solution
    return blend


@pytest.mark.parametrize("hole", SHAPES.values(), ids=SHAPES.keys())
def test_it_keeps_the_fills_gradients_as_well_as_its_surroundings_allow(hole):
    picture, filled = pictures(dtype=np.float64) * 0.5
    result = poisson_blend(picture, filled, hole)
    np.testing.assert_allclose(result, solve_densely(picture, filled, hole), atol=1e-9)


@pytest.mark.parametrize("hole", SHAPES.values(), ids=SHAPES.keys())
def test_known_pixels_are_bit_identical(hole):
    picture, filled = pictures()
    result = poisson_blend(picture, filled, hole)
    assert result.dtype == picture.dtype
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    assert not np.array_equal(result[hole], filled[hole])


def photograph():
    return skimage.data.astronaut()[::2, ::2].astype(np.float32) / 127.5 - 1


def two_holes():
    hole = np.zeros((256, 256), bool)
    y, x = np.indices(hole.shape)
    hole |= (y - 130) ** 2 / 2 + (x - 120) ** 2 < 40**2
    hole[20:60, 150:220] = True
    return hole


def test_a_fill_that_is_off_by_a_colour_is_put_right():
    picture, hole = photograph(), two_holes()
    off = np.array([0.2, -0.1, 0.15], np.float32)
    result = poisson_blend(picture, picture + off, hole)
    assert np.abs(result - picture)[hole].mean() < 0.03
    # Also if the network knows better outside.
    result = poisson_blend(picture, np.where(hole[..., None], picture + off, picture), hole)
    assert np.abs(result - picture)[hole].mean() < 0.03


def test_pixels_of_the_picture_in_the_hole_are_not_looked_at():
    picture, filled = pictures()
    hole = SHAPES["two"]
    other = np.where(hole[..., None], np.float32(0.9), picture)
    np.testing.assert_array_equal(
        poisson_blend(picture, filled, hole), poisson_blend(other, filled, hole)
    )


def test_the_result_is_a_picture():
    picture, filled = pictures()
    result = poisson_blend(picture + 0.5, 2 * filled, SHAPES["even"])
    assert np.abs(result).max() <= 1


def test_no_hole_and_nothing_but_hole():
    picture, filled = pictures()
    hole = np.zeros(picture.shape[:2], bool)
    np.testing.assert_array_equal(poisson_blend(picture, filled, hole), picture)
    np.testing.assert_array_equal(poisson_blend(picture, filled, ~hole), filled)


# A band


def test_a_poisson_blend_in_a_band_leaves_what_is_deeper_as_drawn():
    picture, filled = (
        np.zeros((2, 60, 60, 3), np.float32) + np.array([0, 0.4], np.float32)[:, None, None, None]
    )
    hole = box(10, 50, 10, 50, 60, 60)
    blended = poisson_blend(picture, filled, hole, band=8)
    depth = ndimage.distance_transform_edt(hole)
    np.testing.assert_array_equal(blended[depth > 8], filled[depth > 8])
    # From the edge inwards the fill's own colour returns evenly.
    profile = blended[30, 9:20, 0]
    assert profile[0] == 0
    np.testing.assert_allclose(np.diff(profile), [0.4 / 9] * 9 + [0], atol=0.002)


def test_a_band_that_reaches_everywhere_is_none():
    picture, filled = pictures()
    for hole in SHAPES.values():
        np.testing.assert_allclose(
            poisson_blend(picture, filled, hole, band=100),
            poisson_blend(picture, filled, hole),
            atol=1e-6,
        )


# Feathering


@pytest.mark.parametrize("hole", SHAPES.values(), ids=SHAPES.keys())
def test_feathering_keeps_known_pixels_and_looks_at_nothing_else(hole):
    picture, filled = pictures()
    result = feather(picture, filled, hole, 4)
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    other = np.where(hole[..., None], np.float32(np.nan), picture)
    np.testing.assert_array_equal(feather(other, filled, hole, 4), result)


def test_feathering_leaves_what_is_right_nearly_as_it_is():
    picture, hole = photograph(), two_holes()
    # Five of 255 levels, where edges of things run along the hole's.
    assert np.abs(feather(picture, picture, hole, 16) - picture)[hole].mean() < 0.04


def test_feathering_shifts_the_edge_and_less_and_less_behind_it():
    picture = np.zeros((60, 60, 3), np.float32)
    filled = np.full_like(picture, 0.4)
    hole = box(10, 50, 10, 50, 60, 60)
    result = feather(picture, filled, hole, 8)
    depth = ndimage.distance_transform_edt(hole)
    np.testing.assert_array_equal(result[depth > 8], filled[depth > 8])
    profile = result[30, 10:20, 0]
    np.testing.assert_allclose(profile[0], 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(profile)[:8], 0.05, atol=1e-6)


def test_feathering_follows_the_error_along_the_edge():
    hole = box(20, 40, 20, 160, 60, 180)
    picture = np.zeros((60, 180, 3), np.float32)
    filled = np.where(np.arange(180)[:, None] < 90, np.float32(0.4), np.float32(-0.4))
    filled = np.broadcast_to(filled, picture.shape)
    result = feather(picture, filled, hole, 8)
    assert np.abs(result[20, 20:70]).max() < 0.01
    assert np.abs(result[20, 110:160]).max() < 0.01


# Seams


def seam(picture, hole):
    """The mean step across the hole's edge, over that between pixels of the surroundings."""
    steps = {True: [], False: []}
    around = ndimage.binary_dilation(hole, iterations=12) & ~hole
    for axis in (0, 1):
        step = np.abs(np.diff(picture, axis=axis)).mean(axis=-1)
        here, there = (
            hole.take(range(first, hole.shape[axis] - 1 + first), axis=axis) for first in (0, 1)
        )
        near = around.take(range(hole.shape[axis] - 1), axis=axis)
        steps[True].append(step[here != there])
        steps[False].append(step[near & ~here & ~there])
    return np.concatenate(steps[True]).mean() / np.concatenate(steps[False]).mean()


@pytest.mark.parametrize("knows_better", [False, True])
@pytest.mark.parametrize("kind", ["feather", "poisson"])
@pytest.mark.parametrize("band", [None, 10])
def test_a_fill_of_other_colours_shows_no_seam_after_blending(kind, band, knows_better):
    picture, hole = photograph(), two_holes()
    # What a network draws: the right structure, somewhat blurred, with the wrong colours; where it
    # sees the picture it may be right.
    drawn = ndimage.gaussian_filter(picture, (0.7, 0.7, 0))
    drawn = 0.9 * drawn + np.array([0.25, -0.2, 0.15], np.float32)
    if knows_better:
        drawn = np.where(hole[..., None], drawn, picture)
    assert seam(picture, hole) < 1.2
    assert seam(blend(picture, drawn, hole, "none"), hole) > 2
    assert seam(blend(picture, drawn, hole, kind, band), hole) < 1.2
