import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.ops.windows import crop_windows, hole_window


def box(top, left, height, width, size=(32, 40)):
    return jnp.zeros((*size, 1)).at[top : top + height, left : left + width].set(1)


def test_a_window_is_centred_on_the_hole_and_moved_inside():
    mask = jnp.stack([box(10, 12, 6, 8), box(0, 35, 6, 5), box(28, 0, 4, 4)])
    corners = hole_window(mask, 16, 16)
    assert corners.dtype == jnp.int32
    np.testing.assert_array_equal(corners, [[5, 8], [0, 24], [16, 0]])


@pytest.mark.parametrize("inset", [(0, 0), (1, 3), (4, 2)])
def test_the_box_that_a_hole_is_inset_into_is_found_again(inset):
    """DeepFill v1 draws a box and takes as much off either side for the hole."""
    generator = np.random.default_rng(0)
    for _ in range(5):
        top, left = generator.integers(0, 32 - 13 + 1), generator.integers(0, 40 - 18 + 1)
        hole = box(top + inset[0], left + inset[1], 13 - 2 * inset[0], 18 - 2 * inset[1])
        np.testing.assert_array_equal(hole_window(hole[None], 13, 18), [[top, left]])


def test_holes_may_be_scattered_soft_large_or_missing():
    scattered = jnp.maximum(box(4, 6, 1, 1), box(19, 25, 1, 1))
    np.testing.assert_array_equal(hole_window(scattered[None], 16, 20), [[4, 6]])
    np.testing.assert_array_equal(hole_window(0.25 * scattered[None], 16, 20), [[4, 6]])
    np.testing.assert_array_equal(hole_window(box(2, 3, 28, 36)[None], 8, 8), [[12, 17]])
    np.testing.assert_array_equal(hole_window(jnp.zeros((1, 32, 40, 1)), 16, 20), [[8, 10]])
    np.testing.assert_array_equal(hole_window(scattered[None], 32, 40), [[0, 0]])


def test_each_image_gives_its_own_window():
    x = jax.random.normal(jax.random.key(0), (2, 9, 10, 3))
    corners = jnp.array([[0, 4], [5, 1]])
    windows = crop_windows(x, corners, 4, 6)
    np.testing.assert_array_equal(windows[0], x[0, 0:4, 4:10])
    np.testing.assert_array_equal(windows[1], x[1, 5:9, 1:7])


def test_gradient_goes_back_to_where_the_window_was():
    x = jnp.zeros((1, 6, 6, 1))
    gradient = jax.grad(lambda x: crop_windows(x, jnp.array([[1, 2]]), 3, 2).sum())(x)
    np.testing.assert_array_equal(gradient[0], box(1, 2, 3, 2, size=(6, 6)))


@pytest.mark.parametrize("size", [(33, 8), (8, 41)])
def test_a_window_larger_than_the_image_is_refused(size):
    with pytest.raises(ValueError, match="doesn't fit an image of 32x40"):
        hole_window(jnp.zeros((1, 32, 40, 1)), *size)
