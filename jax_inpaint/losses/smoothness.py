"""Losses on differences between neighbouring pixels, one value per image."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float


def total_variation(
    image: Float[Array, "b h w c"],
    region: Float[Array, "b h w 1"] | None = None,
    power: Literal[1, 2] = 1,
) -> Float[Array, " b"]:
    """``|difference| ** power`` of all pairs of pixels side by side or one above the other.

    Args:
        image: features or colours; differences are taken in float32.
        region: mask; pairs count whose two pixels are both inside. All of them if None.
        power: 1 or 2.

    Returns:
        The sum over pairs and channels, divided by the number of values in the image, whatever the
        size of the region.

    Source: Liu et al., Image Inpainting for Irregular Holes Using Partial Convolutions (2018),
    equation 6, where the region is the hole grown by one pixel
    (:func:`jax_inpaint.ops.morphology.dilate`).
    """
    image = image.astype(jnp.float32)
    rows = jnp.abs(image[:, 1:] - image[:, :-1]) ** power
    columns = jnp.abs(image[:, :, 1:] - image[:, :, :-1]) ** power
    if region is not None:
        rows *= region[:, 1:] * region[:, :-1]
        columns *= region[:, :, 1:] * region[:, :, :-1]
    total = jnp.sum(rows, axis=(1, 2, 3)) + jnp.sum(columns, axis=(1, 2, 3))
    return total / image[0].size
