import colorsys

import numpy as np
import pytest

from jax_inpaint.data.augmentation import jitter_color


class Fixed(np.random.Generator):
    """Gives the chosen numbers instead of random ones: angle, saturation, contrast, brightness."""

    def __new__(cls, *values):
        return super().__new__(cls, np.random.PCG64())

    def __init__(self, *values):
        super().__init__(np.random.PCG64())
        self.values = list(values)

    def uniform(self, low, high):
        value = self.values.pop(0)
        assert low <= value <= high
        return value


def image(seed=0):
    return np.random.default_rng(seed).integers(60, 190, (8, 9, 3), np.uint8)


def test_strength_zero_changes_nothing():
    np.testing.assert_array_equal(jitter_color(image(), 0.0, np.random.default_rng(1)), image())


def test_a_third_of_a_turn_permutes_the_channels():
    turned = jitter_color(image(), 1.0, Fixed(2 * np.pi / 3, 0, 0, 0))
    np.testing.assert_allclose(turned, np.roll(image(), 1, axis=-1), atol=1)


def test_no_saturation_is_grey_with_the_mean_of_the_channels():
    grey = jitter_color(image(), 1.0, Fixed(1.0, -1.0, 0, 0))
    np.testing.assert_allclose(grey, image().mean(axis=-1, keepdims=True).repeat(3, -1), atol=1)


def test_contrast_and_brightness_are_about_mid_grey():
    changed = jitter_color(image(), 1.0, Fixed(0, 0, -0.5, 51.0))
    np.testing.assert_allclose(changed, (image() - 127.5) * 0.5 + 127.5 + 51, atol=1)


def test_values_are_clipped_not_wrapped():
    bright = jitter_color(np.full((2, 2, 3), 250, np.uint8), 1.0, Fixed(0, 0, 0, 51.0))
    np.testing.assert_array_equal(bright, 255)


def test_all_hues_occur():
    red = np.full((1, 1, 3), (200, 60, 60), np.uint8)
    rng = np.random.default_rng(0)
    hues = [colorsys.rgb_to_hsv(*(jitter_color(red, 1.0, rng)[0, 0] / 255))[0] for _ in range(300)]
    assert np.histogram(hues, bins=6, range=(0, 1))[0].min() > 20


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_a_generator_decides_the_change(strength):
    a, b = (jitter_color(image(), strength, np.random.default_rng(s)) for s in (3, 3))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, jitter_color(image(), strength, np.random.default_rng(4)))
