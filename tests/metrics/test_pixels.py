"""Differences of pixels, against NumPy, scikit-image and torchmetrics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio
from torchmetrics.functional.image import (
    peak_signal_noise_ratio as peak_signal_noise_ratio_of_torchmetrics,
)
from torchmetrics.functional.image import total_variation as total_variation_of_torchmetrics

from jax_inpaint import metrics


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    target = rng.uniform(-1, 1, size=(3, 40, 32, 3)).astype(np.float32)
    target[2] = data.astronaut()[:40, :32] / 127.5 - 1
    output = np.clip(target + rng.normal(scale=0.3, size=target.shape), -1, 1).astype(np.float32)
    mask = np.zeros((3, 40, 32, 1), np.float32)
    mask[0, 5:20, 8:30] = 1
    mask[1, 0:9, 0:7] = 1  # touches the border
    mask[2] = rng.random((40, 32, 1)) < 0.3
    return jnp.asarray(output), jnp.asarray(target), jnp.asarray(mask)


def by_pixels(pair, number):
    """Values of output and photograph in [0, 1], of all pixels and of the hole's."""
    output, target, mask = (np.asarray(part[number], np.float64) for part in pair)
    hole = mask[..., 0] > 0
    pictures = (output + 1) / 2, (target + 1) / 2
    return pictures, tuple(picture[hole] for picture in pictures)


DEFINITIONS = {
    "l1": lambda x, y: np.abs(x - y).mean(),
    "relative_l1": lambda x, y: np.abs(x - y).sum() / np.abs(y).sum(),
    "l2": lambda x, y: ((x - y) ** 2).mean(),
    "psnr": lambda x, y: -10 * np.log10(((x - y) ** 2).mean()),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_figure_by_its_definition(pair, name):
    whole = jax.jit(getattr(metrics, name))(*pair[:2])
    hole = jax.jit(getattr(metrics, name))(*pair)
    for number in range(3):
        pictures, holes = by_pixels(pair, number)
        assert float(whole[number]) == pytest.approx(DEFINITIONS[name](*pictures), rel=2e-5)
        assert float(hole[number]) == pytest.approx(DEFINITIONS[name](*holes), rel=2e-5)


def test_psnr_is_scikit_images(pair):
    for number in range(3):
        output, target = (np.asarray((part[number] + 1) / 2) for part in pair[:2])
        expected = peak_signal_noise_ratio(target, output, data_range=1.0)
        assert float(metrics.psnr(*pair[:2])[number]) == pytest.approx(expected, abs=1e-4)


def test_torchmetrics_agrees(pair):
    x, y = (torch.tensor(np.asarray((part + 1) / 2).transpose(0, 3, 1, 2)) for part in pair[:2])
    expected = peak_signal_noise_ratio_of_torchmetrics(
        x, y, data_range=1.0, reduction="none", dim=(1, 2, 3)
    )
    np.testing.assert_allclose(metrics.psnr(*pair[:2]), expected, atol=1e-4)
    expected = total_variation_of_torchmetrics(x, reduction="none") / x[0].numel()
    np.testing.assert_allclose(metrics.total_variation(pair[0]), expected, rtol=1e-5)


def test_total_variation(pair):
    image = np.asarray(pair[0], np.float64)
    found = metrics.total_variation(pair[0])
    for number in range(3):
        total = sum(np.abs(np.diff(image[number] / 2, axis=axis)).sum() for axis in (0, 1))
        assert float(found[number]) == pytest.approx(total / image[number].size, rel=1e-5)


def test_total_variation_of_a_part(pair):
    where = jnp.zeros((3, 40, 32, 1)).at[:, 3:20, 5:31].set(1)
    found = metrics.total_variation(pair[0], where)
    np.testing.assert_allclose(found, metrics.total_variation(pair[0][:, 3:20, 5:31]), rtol=1e-5)


def test_equal_images(pair):
    _, target, mask = pair
    for name in ("l1", "relative_l1", "l2"):
        assert np.all(getattr(metrics, name)(target, target) == 0)
        assert np.all(getattr(metrics, name)(target, target, mask) == 0)
    assert np.all(np.isinf(metrics.psnr(target, target)))
    assert np.all(np.isinf(metrics.psnr(target, target, mask)))


def test_no_hole_and_black_photographs(pair):
    output, target, mask = pair
    for name in ("l1", "relative_l1", "l2", "psnr"):
        assert np.all(np.isnan(getattr(metrics, name)(output, target, 0 * mask)))
    black = jnp.full_like(target, -1)
    assert np.all(np.isinf(metrics.relative_l1(output, black)))
    assert np.all(np.isnan(metrics.relative_l1(black, black)))
    assert np.all(metrics.total_variation(black) == 0)
