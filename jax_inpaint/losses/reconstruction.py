"""Losses between a generated image and the photograph, one value per image."""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_inpaint.ops.windows import around_hole

Images = Float[Array, "b h w c"]
Region = Float[Array, "b h w 1"]
PerImage = Float[Array, " b"]


def l1(
    output: Images, target: Images, region: Region | None = None, mean: str = "image"
) -> PerImage:
    """Mean absolute difference, over the whole image or over a region; see :func:`region_mean`.

    For images in [-1, 1] it lies in [0, 2]. Source: ``ae_loss`` of the official DeepFillv2 code.
    """
    return region_mean(jnp.abs(output - target), region, mean)


def mse(
    output: Images, target: Images, region: Region | None = None, mean: str = "image"
) -> PerImage:
    """Mean squared difference, over the whole image or over a region; see :func:`region_mean`."""
    return region_mean((output - target) ** 2, region, mean)


def region_mean(
    values: Images, region: Region | None, mean: Literal["image", "region"] | str = "image"
) -> PerImage:
    """Mean of the values in a region.

    Args:
        values: one for each pixel and channel.
        region: 1 inside, 0 outside; None is everywhere.
        mean: divide the region's sum by the pixels of the ``"image"``, as Liu et al. (2018) and
            most published weights mean it, or by those of the ``"region"``.
    """
    if region is None:
        return jnp.mean(values, axis=(1, 2, 3))
    total = jnp.mean(values * region, axis=(1, 2, 3))
    if mean == "image":
        return total
    # A region of no pixels has no loss.
    return total / jnp.maximum(jnp.mean(region, axis=(1, 2, 3)), 1e-8)


def discounted_l1(
    output: Images, target: Images, mask: Region, size: float = 0.5, gamma: float = 0.9
) -> PerImage:
    """Mean absolute difference in a window around the hole, less counted far from its border.

    Args:
        output, target: images.
        mask: its holes decide where the windows are.
        size: side of the window over the side of the image.
        gamma: pixel ``d`` rows or columns from the window's border counts ``gamma ** d``.

    Source: Yu et al., Generative Image Inpainting with Contextual Attention (2018), section 3.2:
    what is far from known pixels may be filled in many ways. As in its code, both borders of an
    axis count and rows and columns compete by their larger weight.
    """
    difference = jnp.abs(around_hole(output, mask, size) - around_hole(target, mask, size))
    weights = spatial_discount(difference.shape[1], difference.shape[2], gamma)
    return jnp.mean(difference * weights, axis=(1, 2, 3))


def spatial_discount(height: int, width: int, gamma: float = 0.9) -> np.ndarray:
    """``max(gamma ** min(i, H - i), gamma ** min(j, W - j))``, float32 (H, W, 1), as official."""

    def line(size: int) -> np.ndarray:
        position = np.arange(size)
        return gamma ** np.minimum(position, size - position)

    weights = np.maximum(line(height)[:, None], line(width)[None, :])
    return weights.astype(np.float32)[..., None]
