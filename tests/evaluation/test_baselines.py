import numpy as np
import pytest

from jax_inpaint.evaluation.baselines import fill_mean_color, fill_telea


@pytest.fixture
def pictures():
    images = np.zeros((2, 32, 32, 3), np.float32)
    images[0] = np.linspace(-1, 1, 32)[:, None, None]  # a vertical ramp
    images[1, ..., 0] = 0.5
    masks = np.zeros((2, 32, 32, 1), np.float32)
    masks[:, 12:20, 12:20] = 1
    return images, masks


def test_mean_colour_is_that_of_the_known_pixels(pictures):
    images, masks = pictures
    spoiled = np.where(masks > 0, 0.9, images).astype(np.float32)
    filled = fill_mean_color(spoiled, masks)
    known = masks[0, ..., 0] == 0
    np.testing.assert_allclose(filled[0, 15, 15], images[0][known].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(filled[1, 15, 15], [0.5, 0, 0], atol=1e-6)


def test_telea_continues_a_ramp(pictures):
    images, masks = pictures
    filled = fill_telea(np.where(masks > 0, 0.9, images).astype(np.float32), masks)
    assert np.abs(filled - images).max() < 0.2


@pytest.mark.parametrize("fill", [fill_mean_color, fill_telea])
def test_known_pixels_stay(fill, pictures):
    images, masks = pictures
    known = np.broadcast_to(masks == 0, images.shape)
    np.testing.assert_array_equal(fill(images, masks)[known], images[known])
