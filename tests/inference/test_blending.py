import numpy as np
import pytest

from jax_inpaint.inference.blending import poisson_blend


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


def solve_densely(picture, filled, hole):
    """The blend that has the fill's differences between neighbours, in the least-squares sense.

    Every pair of neighbours of which at least one is in the hole is a row of the system.
    """
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
    blend = poisson_blend(picture, filled, hole)
    np.testing.assert_allclose(blend, solve_densely(picture, filled, hole), atol=1e-9)


@pytest.mark.parametrize("hole", SHAPES.values(), ids=SHAPES.keys())
def test_known_pixels_are_bit_identical(hole):
    picture, filled = pictures()
    blend = poisson_blend(picture, filled, hole)
    assert blend.dtype == picture.dtype
    np.testing.assert_array_equal(blend[~hole], picture[~hole])
    assert not np.array_equal(blend[hole], filled[hole])


@pytest.mark.parametrize("hole", SHAPES.values(), ids=SHAPES.keys())
def test_a_fill_that_is_off_by_a_plane_is_put_right_without_being_displaced(hole):
    picture, _ = pictures()
    row, column = np.indices(hole.shape)[..., None]
    filled = picture + (0.2 + 0.01 * column - 0.005 * row).astype(np.float32)
    blend = poisson_blend(picture, filled, hole)
    if hole[[0, -1]].any() or hole[:, [0, -1]].any():
        # At the border nothing holds the plane's slope.
        filled = picture + np.float32(0.2)
        blend = poisson_blend(picture, filled, hole)
    np.testing.assert_allclose(blend, picture, atol=1e-5)


def test_pixels_of_the_picture_in_the_hole_are_not_looked_at():
    picture, filled = pictures()
    hole = SHAPES["two"]
    other = np.where(hole[..., None], np.float32(0.9), picture)
    np.testing.assert_array_equal(
        poisson_blend(picture, filled, hole), poisson_blend(other, filled, hole)
    )


def test_the_result_is_a_picture():
    picture, filled = pictures()
    blend = poisson_blend(picture + 0.5, 2 * filled, SHAPES["even"])
    assert np.abs(blend).max() <= 1


def test_no_hole_and_nothing_but_hole():
    picture, filled = pictures()
    hole = np.zeros(picture.shape[:2], bool)
    np.testing.assert_array_equal(poisson_blend(picture, filled, hole), picture)
    np.testing.assert_array_equal(poisson_blend(picture, filled, ~hole), filled)
