"""Differences of pixels. Pure functions, float32, one value per image.

Images are in [-1, 1]; figures are those of images in [0, 1]. ``where`` (1 or 0) chooses the pixels
that count, such as the hole's; without it all of them do. What papers call L1 is, then, one of four
figures: :func:`l1` or :func:`relative_l1`, of the hole or of everything.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "b h w 3"]
Masks = Float[Array, "b h w 1"]
PerImage = Float[Array, " b"]


def l1(output: Images, target: Images, where: Masks | None = None) -> PerImage:
    """Mean absolute difference, in [0, 1]; NaN where no pixel counts.

    Of the hole and times 100 it is mmagic's MAE.
    """
    return mean_over(_absolute(output, target), where)


def relative_l1(output: Images, target: Images, where: Masks | None = None) -> PerImage:
    """Sum of absolute differences over the sum of the photograph's values.

    Of whole pictures and times 100 it is what the DeepFill papers report, according to their author
    (issue 146 of generative_inpainting). Where the photograph is black it is infinite, or NaN if
    the output is, too.
    """
    return mean_over(_absolute(output, target), where) / mean_over((target + 1) / 2, where)


def l2(output: Images, target: Images, where: Masks | None = None) -> PerImage:
    """Mean squared difference, in [0, 1]; NaN where no pixel counts."""
    return mean_over(((output - target) / 2) ** 2, where)


def psnr(output: Images, target: Images, where: Masks | None = None) -> PerImage:
    """Peak signal-to-noise ratio in dB; infinite where images are equal.

    That of composites depends on the hole's size: an equally good fill of half the hole has 3 dB
    more.
    """
    return -10 * jnp.log10(l2(output, target, where))


def total_variation(image: Images, where: Masks | None = None) -> PerImage:
    """Mean absolute difference of neighbours, in [0, 1], down and to the right added up.

    Both neighbours have to count. Sums over the picture, as torchmetrics' ``total_variation`` gives
    them, are this times 3 x height x width.
    """
    values = (image + 1) / 2
    counts = jnp.ones((*image.shape[:3], 1)) if where is None else where
    total = jnp.zeros(image.shape[0])
    for axis in (1, 2):
        after, before = _slice(1, None, axis), _slice(None, -1, axis)
        both = counts[after] * counts[before]
        total += jnp.sum(jnp.abs(values[after] - values[before]) * both, axis=(1, 2, 3))
    return total / (jnp.sum(counts, axis=(1, 2, 3)) * image.shape[3])


def mean_over(values: Float[Array, "b h w c"], where: Masks | None = None) -> PerImage:
    """Mean over channels and the pixels that count; NaN without any."""
    if where is None:
        return jnp.mean(values, axis=(1, 2, 3))
    # Values that don't count may be infinite or NaN, which times 0 isn't 0.
    total = jnp.sum(jnp.where(where > 0, values, 0), axis=(1, 2, 3))
    return total / (jnp.sum(where, axis=(1, 2, 3)) * values.shape[-1])


def _absolute(output: Images, target: Images) -> Images:
    return jnp.abs(output - target) / 2


def _slice(start: int | None, stop: int | None, axis: int) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, stop),)
