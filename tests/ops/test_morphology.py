import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.ops.morphology import dilate


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_dilation_reaches_all_pixels_within_the_radius(radius):
    mask = (np.random.default_rng(0).uniform(size=(2, 9, 7, 1)) < 0.06).astype(np.float32)
    expected = np.zeros_like(mask)
    for b, y, x in zip(*np.nonzero(mask[..., 0]), strict=True):
        top, left = max(y - radius, 0), max(x - radius, 0)
        expected[b, top : y + radius + 1, left : x + radius + 1] = 1
    np.testing.assert_array_equal(dilate(jnp.asarray(mask), radius), expected)
