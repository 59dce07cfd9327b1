"""How close fills are to photographs: pure functions on batches, compiled as you like."""

from jax_inpaint.metrics.batches import one_by_one
from jax_inpaint.metrics.pixels import l1, l2, psnr, relative_l1, total_variation
from jax_inpaint.metrics.structure import ms_ssim, ssim
from jax_inpaint.metrics.totals import Mean

__all__ = [
    "Mean",
    "l1",
    "l2",
    "ms_ssim",
    "one_by_one",
    "psnr",
    "relative_l1",
    "ssim",
    "total_variation",
]
