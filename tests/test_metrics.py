"""Metrics against scikit-image and NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from jax_inpaint.metrics import hole_l1, hole_psnr, hole_ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    target = rng.uniform(-1, 1, size=(2, 40, 32, 3)).astype(np.float32)
    output = np.clip(target + rng.normal(scale=0.3, size=target.shape), -1, 1).astype(np.float32)
    mask = np.zeros((2, 40, 32, 1), np.float32)
    mask[0, 5:20, 8:30] = 1
    mask[1, 0:9, 0:7] = 1  # touches the border
    return jnp.asarray(output), jnp.asarray(target), jnp.asarray(mask)


def hole_values(pair, i):
    output, target, mask = (np.asarray(x[i], np.float64) for x in pair)
    inside = mask[..., 0] > 0
    return (output[inside] - target[inside]) / 2


def test_l1_and_psnr_look_at_the_hole_only(pair):
    for i in range(2):
        difference = hole_values(pair, i)
        assert float(hole_l1(*pair)[i]) == pytest.approx(np.abs(difference).mean(), rel=1e-5)
        psnr = -10 * np.log10((difference**2).mean())
        assert float(hole_psnr(*pair)[i]) == pytest.approx(psnr, rel=1e-5)


def test_ssim_is_the_mean_of_scikit_images_map_over_the_hole(pair):
    output, target, mask = (np.asarray(x) for x in pair)
    for i in range(2):
        _, similarity = structural_similarity(
            (output[i] + 1) / 2,
            (target[i] + 1) / 2,
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        expected = similarity[mask[i, ..., 0] > 0].mean()
        assert float(hole_ssim(*pair)[i]) == pytest.approx(expected, abs=2e-5)


def test_equal_images(pair):
    _, target, mask = pair
    assert np.all(hole_l1(target, target, mask) == 0)
    assert np.all(np.isinf(hole_psnr(target, target, mask)))
    np.testing.assert_allclose(hole_ssim(target, target, mask), 1, atol=1e-5)
