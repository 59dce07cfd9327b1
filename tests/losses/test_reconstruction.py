"""Reconstruction losses against loops and sums in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.losses.reconstruction import discounted_l1, l1, mse, spatial_discount

rng = np.random.default_rng(0)
OUTPUT, TARGET = (jnp.asarray(x, jnp.float32) for x in rng.uniform(-1, 1, (2, 2, 16, 24, 3)))
MASK = jnp.zeros((2, 16, 24, 1)).at[0, 4:10, 6:14].set(1).at[1, 9:15, 15:23].set(1)


@pytest.mark.parametrize(("loss", "power"), [(l1, 1), (mse, 2)])
def test_losses_are_means_over_the_image_or_a_region(loss, power):
    values = np.abs(np.asarray(OUTPUT - TARGET)) ** power
    np.testing.assert_allclose(loss(OUTPUT, TARGET), values.mean(axis=(1, 2, 3)), rtol=1e-5)
    inside = np.stack(
        [v[np.asarray(m[..., 0]) == 1].sum() for v, m in zip(values, MASK, strict=True)]
    )
    np.testing.assert_allclose(loss(OUTPUT, TARGET, MASK), inside / values[0].size, rtol=1e-5)
    np.testing.assert_allclose(
        loss(OUTPUT, TARGET, MASK, mean="region"), inside / (48 * 3), rtol=1e-5
    )


def test_an_empty_region_costs_nothing():
    assert np.all(np.asarray(l1(OUTPUT, TARGET, 0 * MASK, mean="region")) == 0)


def test_the_discount_is_the_official_loop():
    expected = np.zeros((8, 6))
    for i in range(8):
        for j in range(6):
            expected[i, j] = max(0.9 ** min(i, 8 - i), 0.9 ** min(j, 6 - j))
    np.testing.assert_allclose(spatial_discount(8, 6)[..., 0], expected, rtol=1e-6)


def test_discounted_l1_looks_at_the_window_around_each_hole():
    loss = np.asarray(discounted_l1(OUTPUT, TARGET, MASK, size=0.5))
    weights = spatial_discount(8, 12)
    difference = np.abs(np.asarray(OUTPUT - TARGET))
    # Windows of 8x12 centred on boxes of 6x8: rows 3-10 and columns 4-15 of the first image; of the
    # second rows 8-15 and columns 13-24, moved left by one.
    expected = [
        (difference[0, 3:11, 4:16] * weights).mean(),
        (difference[1, 8:16, 12:24] * weights).mean(),
    ]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
