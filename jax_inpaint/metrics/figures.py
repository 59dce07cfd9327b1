"""The figures of a report: what each is called, means, and is measured in."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_inpaint.config import PictureFigure
from jax_inpaint.metrics.batches import one_by_one
from jax_inpaint.metrics.pixels import (
    Images,
    Masks,
    PerImage,
    l1,
    l2,
    psnr,
    relative_l1,
    total_variation,
)
from jax_inpaint.metrics.structure import Sizes, ms_ssim, ssim

SetFigure = Literal["fid", "kid", "p_ids", "u_ids"]


@dataclass(frozen=True)
class Figure:
    """How a figure is shown.

    Attributes:
        title: with its unit.
        better: what fills that are nearer to photographs have; None where neither is better.
        definition: a sentence or two.
        factor: what values are multiplied with to be shown.
        decimals: digits behind the point that are shown.
    """

    title: str
    better: Literal["lower", "higher"] | None
    definition: str
    factor: float = 1.0
    decimals: int = 3


def _lpips(network: str) -> Figure:
    return Figure(
        f"LPIPS ({network})",
        "lower",
        f"Learned perceptual distance (version 0.1) on features of {network}, whole composite.",
        decimals=4,
    )


PICTURE_FIGURES: dict[PictureFigure, Figure] = {
    "hole_l1": Figure(
        "L1 in hole, %",
        "lower",
        "Mean |difference| of the hole's pixels, of values in [0, 1], times 100: mmagic's MAE.",
        100.0,
        2,
    ),
    "l1": Figure(
        "L1, %", "lower", "The same over the whole picture, whose known pixels are equal.", 100.0, 2
    ),
    "hole_relative_l1": Figure(
        "relative L1 in hole, %",
        "lower",
        "Sum of |difference| over the sum of the photograph's values, both of the hole's pixels.",
        100.0,
        2,
    ),
    "relative_l1": Figure(
        "relative L1, %",
        "lower",
        "The same over the whole picture: what the DeepFill papers call l1 error.",
        100.0,
        2,
    ),
    "hole_l2": Figure(
        "L2 in hole, %",
        "lower",
        "Mean squared difference of the hole's pixels, of values in [0, 1], times 100.",
        100.0,
        2,
    ),
    "l2": Figure("L2, %", "lower", "The same over the whole picture.", 100.0, 2),
    "hole_psnr": Figure(
        "PSNR in hole, dB",
        "higher",
        "Peak signal-to-noise ratio of the hole's pixels; equal ones are counted apart.",
        1.0,
        2,
    ),
    "psnr": Figure(
        "PSNR, dB",
        "higher",
        "The same of the whole composite, which depends on the hole's size: mmagic's PSNR.",
        1.0,
        2,
    ),
    "hole_ssim": Figure(
        "SSIM in hole", "higher", "Structural similarity of windows centred on the hole's pixels."
    ),
    "ssim": Figure(
        "SSIM",
        "higher",
        "Structural similarity of the whole composite (Gaussian window of 11 pixels, sigma 1.5), "
        "windows over the border left out.",
    ),
    "ms_ssim": Figure(
        "MS-SSIM",
        "higher",
        "Structural similarity over five scales; of pictures with sides of 176 pixels or more.",
    ),
    "total_variation": Figure(
        "total variation, %",
        None,
        "Mean |difference| of neighbours in the composite, down and to the right added up, times "
        "100. Less is smoother, not better.",
        100.0,
        2,
    ),
    "lpips_alexnet": _lpips("AlexNet"),
    "lpips_vgg16": _lpips("VGG16"),
    "lpips_squeezenet": _lpips("SqueezeNet"),
}

SET_FIGURES: dict[SetFigure, Figure] = {
    "fid": Figure(
        "FID",
        "lower",
        "Fréchet distance of Inception-v3 features of composites and photographs. It falls with "
        "the number of pictures: compare it at equal numbers only.",
        1.0,
        2,
    ),
    "kid": Figure(
        "KID x 1000",
        "lower",
        "Unbiased kernel distance of the same features, times 1000; it may be below 0.",
        1000.0,
        2,
    ),
    "p_ids": Figure(
        "P-IDS, %",
        "higher",
        "How often a linear classifier of the same features takes the fill for more real than its "
        "photograph.",
        100.0,
        2,
    ),
    "u_ids": Figure(
        "U-IDS, %", "higher", "How often that classifier is wrong about a picture.", 100.0, 2
    ),
}


@jax.jit
def picture_figures(
    output: Images, target: Images, hole: Masks, sizes: Sizes | None = None
) -> dict[str, Float[Array, " b"]]:
    """All figures of pictures that need no other network, by name; one program.

    Args:
        output: fills in [-1, 1]; only the hole's pixels are looked at.
        target: photographs in [-1, 1].
        hole: 1 in the hole.
        sizes: height and width of each image at the top left of its array, for images of several
            sizes padded to one shape by reflection (``numpy.pad(mode="symmetric")``), masks, too.
    """
    return one_by_one(_picture_figures, output, target, hole, sizes)


def _picture_figures(
    output: Images, target: Images, hole: Masks, sizes: Sizes | None
) -> dict[str, PerImage]:
    output = jnp.where(hole > 0, output, target)
    area = None if sizes is None else own_area(target, sizes)
    hole = hole if area is None else hole * area
    parts: dict[str, Masks | None] = {"hole_": hole, "": area}
    figures: dict[str, PerImage] = {}
    for prefix, where in parts.items():
        for function in (l1, relative_l1, l2, psnr):
            figures[prefix + function.__name__] = function(output, target, where)
    figures["hole_ssim"] = ssim(output, target, hole, sizes)
    figures["ssim"] = ssim(output, target, None, sizes)
    figures["ms_ssim"] = ms_ssim(output, target, sizes)
    figures["total_variation"] = total_variation(output, area)
    return figures


def own_area(images: Images, sizes: Sizes) -> Masks:
    """1 on the pixels of each image, 0 on what pads it."""
    rows, columns = (jnp.arange(images.shape[1 + axis]) < sizes[:, axis, None] for axis in range(2))
    area = rows[:, :, None] & columns[:, None, :]
    return area[..., None].astype(jnp.float32)
