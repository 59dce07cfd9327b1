"""Structural similarity, against scikit-image and torchmetrics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import structural_similarity
from skimage.transform import downscale_local_mean
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from jax_inpaint import metrics
from jax_inpaint.metrics.structure import SCALES


def pair(height, width):
    """A photograph and a worse one; noise and something else."""
    rng = np.random.default_rng(0)
    photograph = data.astronaut()[:height, :width] / 127.5 - 1
    target = np.stack([photograph, rng.uniform(-1, 1, photograph.shape)]).astype(np.float32)
    output = target + rng.normal(scale=0.3, size=target.shape)
    output[1] = photograph
    output = np.clip(output, -1, 1).astype(np.float32)
    mask = np.zeros((2, height, width, 1), np.float32)
    mask[0, 5:20, 8:30] = 1
    mask[1, 0:9, 0:7] = 1  # touches the border
    return jnp.asarray(output), jnp.asarray(target), jnp.asarray(mask)


def by_scikit_image(output, target, **options):
    return structural_similarity(
        (np.asarray(output, np.float64) + 1) / 2,
        (np.asarray(target, np.float64) + 1) / 2,
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        **options,
    )


@pytest.mark.parametrize("size", [(40, 32), (11, 11), (63, 128)])
def test_ssim_is_scikit_images(size):
    output, target, _ = pair(*size)
    found = jax.jit(metrics.ssim)(output, target)
    for number in range(2):
        expected = by_scikit_image(output[number], target[number])
        assert float(found[number]) == pytest.approx(expected, abs=2e-5)


def test_hole_ssim_is_the_mean_of_the_map_over_the_hole():
    output, target, mask = pair(40, 32)
    found = jax.jit(metrics.ssim)(output, target, mask)
    for number in range(2):
        _, similarity = by_scikit_image(output[number], target[number], full=True)
        expected = similarity[np.asarray(mask)[number, ..., 0] > 0].mean()
        assert float(found[number]) == pytest.approx(expected, abs=2e-5)


def ms_ssim_by_scikit_image(output, target):
    """Its product, with contrast and structure as what SSIM is without the brightness constant.

    Similarity is brightness times contrast; maps of images whose means are equal have brightness 1,
    so the contrast is the similarity divided by the brightness of the windows' means.
    """
    from scipy.ndimage import gaussian_filter

    result = 1.0
    x, y = ((np.asarray(part, np.float64) + 1) / 2 for part in (output, target))
    for number, power in enumerate(SCALES):
        _, similarity = by_scikit_image(2 * x - 1, 2 * y - 1, full=True)
        mean_x, mean_y = (
            gaussian_filter(part, (1.5, 1.5, 0), truncate=3.5, mode="reflect") for part in (x, y)
        )
        brightness = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
        values = similarity if number == 4 else similarity / brightness
        result *= max(values[5:-5, 5:-5].mean(), 0) ** power
        even = (slice(x.shape[0] // 2 * 2), slice(x.shape[1] // 2 * 2))
        x, y = (downscale_local_mean(part[even], (2, 2, 1)) for part in (x, y))
    return result


@pytest.mark.parametrize("size", [(176, 200), (191, 177)])
def test_ms_ssim_by_its_definition(size):
    output, target, _ = pair(*size)
    found = jax.jit(metrics.ms_ssim)(output, target)
    for number in range(2):
        expected = ms_ssim_by_scikit_image(output[number], target[number])
        assert float(found[number]) == pytest.approx(expected, abs=5e-5)


def by_torchmetrics(output, target):
    """Means of its map of similarity, without and with the windows that reach over the border."""
    _, similarity = structural_similarity_index_measure(
        output, target, data_range=1.0, reduction="none", return_full_image=True
    )
    return similarity[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)), similarity.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("size", [(176, 200), (191, 177)])
def test_torchmetrics_agrees_but_for_the_border(size):
    output, target, _ = pair(*size)
    x, y = (torch.tensor(np.asarray((a + 1) / 2).transpose(0, 3, 1, 2)) for a in (output, target))
    np.testing.assert_allclose(metrics.ssim(output, target), by_torchmetrics(x, y)[0], atol=1e-4)
    expected = multiscale_structural_similarity_index_measure(
        x, y, data_range=1.0, reduction="none", normalize="relu"
    )
    for _ in range(4):
        x, y = (torch.nn.functional.avg_pool2d(a, 2) for a in (x, y))
    inside, everywhere = (mean.clamp(min=0) for mean in by_torchmetrics(x, y))
    expected *= (inside / everywhere) ** SCALES[-1]
    np.testing.assert_allclose(metrics.ms_ssim(output, target), expected, atol=1e-4)


def test_images_of_several_sizes_in_one_array():
    sizes = [(190, 210), (178, 240), (40, 32)]
    pairs = [pair(*size) for size in sizes]

    def together(number):
        arrays = [np.asarray(parts[number][:1]) for parts in pairs]
        return jnp.concatenate(
            [
                np.pad(
                    array,
                    [(0, 0), (0, 200 - array.shape[1]), (0, 250 - array.shape[2]), (0, 0)],
                    mode="symmetric" if number < 2 else "constant",
                )
                for array in arrays
            ]
        )

    output, target, mask = (together(number) for number in range(3))
    found = {
        "ssim": jax.jit(metrics.ssim)(output, target, sizes=jnp.array(sizes)),
        "hole": jax.jit(metrics.ssim)(output, target, mask, jnp.array(sizes)),
        "ms_ssim": jax.jit(metrics.ms_ssim)(output, target, jnp.array(sizes)),
    }
    for number, (one, other, hole) in enumerate(pairs):
        alone = one[:1], other[:1]
        expected = {
            "ssim": metrics.ssim(*alone),
            "hole": metrics.ssim(*alone, hole[:1]),
            "ms_ssim": metrics.ms_ssim(*alone),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][number], value[0], atol=1e-6, err_msg=name)
    assert np.isnan(found["ms_ssim"][2])


def test_images_that_are_too_small_for_five_scales():
    output, target, _ = pair(175, 200)
    assert np.all(np.isnan(metrics.ms_ssim(output, target)))


def test_equal_and_constant_images_and_no_hole():
    output, target, mask = pair(176, 176)
    grey = jnp.zeros_like(target)
    for image in (target, grey):
        for figure in (metrics.ssim, metrics.ms_ssim):
            np.testing.assert_allclose(figure(image, image), 1, atol=1e-6)
        np.testing.assert_allclose(metrics.ssim(image, image, mask), 1, atol=1e-6)
    # Two constants differ in brightness only.
    expected = (2 * 0.5 * 1 + 1e-4) / (0.5**2 + 1 + 1e-4)
    np.testing.assert_allclose(metrics.ssim(grey, grey + 1), expected, atol=5e-5)
    assert np.all(np.isnan(metrics.ssim(output, target, 0 * mask)))
