import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.ops.flow import color_wheel, flow_to_color


def color(dy: float, dx: float) -> np.ndarray:
    """The colour of one offset among longer ones (10) in the same image."""
    flow = jnp.array([[[[dy, dx], [10.0, 0.0]]]])
    return np.asarray(flow_to_color(flow))[0, 0, 0]


def test_no_offset_is_white():
    np.testing.assert_allclose(color(0, 0), [1, 1, 1])
    np.testing.assert_allclose(flow_to_color(jnp.zeros((1, 2, 2, 2))), 1)


def test_middlebury_directions():
    # Middlebury's wheel: right is red, down is yellow, left is cyan-blue, up is purple-blue.
    right, down, left = color(0, 10), color(10, 0), color(0, -10)
    assert right[0] == pytest.approx(1)
    assert right[1] < -0.8
    assert down[0] > 0.5
    assert down[1] > 0.5
    assert down[2] == pytest.approx(-1)
    assert left[2] > 0.5
    assert left[0] == pytest.approx(-1)


def test_saturation_grows_with_distance_and_stays_in_range():
    saturation = [1 - color(0, distance).min() for distance in (1, 5, 10)]
    assert saturation == sorted(saturation)
    flow = np.random.default_rng(0).integers(-9, 9, size=(3, 8, 8, 2))
    image = np.asarray(flow_to_color(jnp.asarray(flow)))
    assert image.min() >= -1
    assert image.max() <= 1


def test_the_wheel_shows_the_colour_of_each_direction_and_is_white_around():
    wheel = np.asarray(color_wheel(21))
    assert wheel.shape == (21, 21, 3)
    for corner in (wheel[0, 0], wheel[-1, 0], wheel[10, 10]):
        np.testing.assert_allclose(corner, 1)
    for (dy, dx), place in {(0, 10): (10, 20), (10, 0): (20, 10), (-5, 0): (5, 10)}.items():
        np.testing.assert_allclose(wheel[place], color(dy, dx), atol=1e-5)
