"""SSIM, PSNR and L1 of a batch, beside scikit-image and torchmetrics."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional import image as torchmetrics

from benchmarks.experiments import Device
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.compilation import compile_for
from jax_inpaint.metrics import l1, one_by_one, psnr, ssim

BATCH, SIZE = 16, 256


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Images a second; each side is given images as it takes them, and gives a figure for each."""
    del compiled
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 1, (BATCH, SIZE, SIZE, 3)).astype(np.float32)
    output = np.clip(target + rng.normal(scale=0.1, size=target.shape), 0, 1).astype(np.float32)

    def three(x: jax.Array, y: jax.Array) -> tuple[jax.Array, ...]:
        return l1(x, y), psnr(x, y), ssim(x, y)

    ours = compile_for(jax.local_devices()[:1], partial(one_by_one, three))
    mine = [jax.device_put(jnp.asarray(2 * image - 1)) for image in (output, target)]
    kind = "cuda" if device == "gpu" else "cpu"
    theirs = [torch.tensor(a.transpose(0, 3, 1, 2), device=kind) for a in (output, target)]

    def by_torchmetrics() -> tuple[torch.Tensor, ...]:
        x, y = theirs
        each = {"data_range": 1.0, "reduction": "none"}
        return (
            (x - y).abs().mean(dim=(1, 2, 3)),
            torchmetrics.peak_signal_noise_ratio(x, y, dim=(1, 2, 3), **each),
            torchmetrics.structural_similarity_index_measure(x, y, **each),
        )

    ways = {
        OURS: lambda: ours(*mine),
        "torchmetrics": by_torchmetrics,
        "scikit-image": lambda: by_scikit_image(output, target),
    }
    for own, other in zip(ours(*mine), by_scikit_image(output, target), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4)
    what = f"SSIM, PSNR and L1, {SIZE}x{SIZE}, batch {BATCH}"
    yield from compare("metrics", what, ways, repeats, BATCH, "images/s")


def by_scikit_image(output: np.ndarray, target: np.ndarray) -> np.ndarray:
    """L1, PSNR and SSIM of each image, float32 in [0, 1]."""
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return np.transpose(
        [
            (
                np.abs(x - y).mean(),
                peak_signal_noise_ratio(y, x, data_range=1.0),
                structural_similarity(x, y, data_range=1.0, channel_axis=-1, **options),
            )
            for x, y in zip(output, target, strict=True)
        ]
    )
