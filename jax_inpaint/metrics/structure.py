"""Structural similarity. Pure functions, float32, one value per image in [-1, 1]."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jax_inpaint.metrics.pixels import Images, Masks, PerImage, mean_over
from jax_inpaint.ops.blur import gaussian_blur

SIGMA, RADIUS = 1.5, 5  # of the Gaussian window, pixels
_C1, _C2 = 0.01**2, 0.03**2
# How much each scale counts, the finest first (Wang et al. 2003, section 3).
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Pixels: where a window fits into the coarsest scale.
SMALLEST_MS_SSIM = (2 * RADIUS + 1) * 2 ** (len(SCALES) - 1)

Sizes = Int[Array, "b 2"]


# Compiled, for those who call it as it is: op by op, it would take many programs.
@jax.jit
def ssim(
    output: Images, target: Images, where: Masks | None = None, sizes: Sizes | None = None
) -> PerImage:
    """Structural similarity, averaged over pixels and channels; at most 1.

    Gaussian window of 11 pixels and standard deviation 1.5, population covariance. Windows that
    reach over the border are left out: what scikit-image gives (``structural_similarity(
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False)``). torchmetrics gives the same
    at each pixel, but averages windows over the reflected border, too.

    Args:
        output, target: in [-1, 1], at least 11 pixels high and wide.
        where: 1 on the pixels, such as the hole's, whose windows are averaged instead, those at the
            border with the picture reflected; NaN without any.
        sizes: height and width of each image at the top left of its array, for images of several
            sizes padded to one shape (by reflection, if ``where`` touches the border).

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity
    (2004).
    """
    similarity, _ = _similarity(output, target)
    return mean_over(similarity, _inside(similarity, sizes) if where is None else where)


@jax.jit
def ms_ssim(output: Images, target: Images, sizes: Sizes | None = None) -> PerImage:
    """Structural similarity over five scales, each half the size of the one before; in [0, 1].

    Contrast and structure of the finer scales and similarity of the coarsest, with 0 in place of
    negative ones, to the published powers. Windows are those of :func:`ssim`; at the coarsest scale
    torchmetrics (``normalize="relu"``) averages those over the border, too. NaN for images with a
    side of less than 176 pixels, into whose coarsest scale no window fits.

    Args:
        output, target: in [-1, 1].
        sizes: as of :func:`ssim`.

    Source: Wang et al., Multiscale Structural Similarity for Image Quality Assessment (2003).
    """
    if sizes is None:
        sizes = jnp.broadcast_to(jnp.array(output.shape[1:3]), (output.shape[0], 2))
    large_enough = jnp.all(sizes >= SMALLEST_MS_SSIM, axis=1)
    result = jnp.where(large_enough, 1.0, jnp.nan)
    if min(output.shape[1:3]) < SMALLEST_MS_SSIM:
        return result
    for number, power in enumerate(SCALES):
        similarity, contrast = _similarity(output, target)
        last = number == len(SCALES) - 1
        mean = mean_over(similarity if last else contrast, _inside(contrast, sizes))
        result *= jnp.maximum(mean, 0) ** power
        output, target, sizes = _halved(output), _halved(target), sizes // 2
    return result


def _similarity(output: Images, target: Images) -> tuple[Images, Images]:
    """Maps of similarity, and of contrast and structure without brightness."""
    # From sum and difference, so that rounding can't make equal images differ: the variances of
    # x + y and of x - y add up to twice those of x and y, and differ by four covariances.
    blur = jax.vmap(partial(gaussian_blur, sigma=SIGMA, radius=RADIUS))
    total, difference = (output + target) / 2 + 1, (output - target) / 2
    mean_total, mean_difference = blur(total) ** 2, blur(difference) ** 2
    variance_total = blur(total**2) - mean_total
    variance_difference = blur(difference**2) - mean_difference
    contrast = _ratio(variance_total, variance_difference, 2 * _C2)
    return _ratio(mean_total, mean_difference, 2 * _C1) * contrast, contrast


def _ratio(common: Images, different: Images, constant: float) -> Images:
    return (common - different + constant) / (common + different + constant)


def _inside(values: Images, sizes: Sizes | None) -> Masks:
    """1 on pixels whose windows lie within their image."""
    b, h, w, _ = values.shape
    if sizes is None:
        sizes = jnp.array([[h, w]])
    rows, columns = (
        (jnp.arange(side) >= RADIUS) & (jnp.arange(side) < sizes[:, axis, None] - RADIUS)
        for axis, side in enumerate((h, w))
    )
    inside = (rows[:, :, None] & columns[:, None, :])[..., None]
    return jnp.broadcast_to(inside, (b, h, w, 1)).astype(jnp.float32)


def _halved(image: Images) -> Float[Array, "b p q 3"]:
    """Means of blocks of 2x2 pixels; what is left over at the end is dropped."""
    b, h, w, c = image.shape
    blocks = image[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c)
    return jnp.mean(blocks, axis=(2, 4))
