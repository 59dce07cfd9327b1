"""How close a filled hole is to the photograph. Pure functions, float32, one value per image.

Images are in [-1, 1]; figures are those of images in [0, 1].
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Images = Float[Array, "b h w 3"]
Masks = Float[Array, "b h w 1"]


def hole_l1(output: Images, target: Images, mask: Masks) -> Float[Array, " b"]:
    """Mean absolute difference of the hole's pixels, in [0, 1]. Times 100 it is mmagic's figure."""
    return _hole_mean(jnp.abs(output - target) / 2, mask)


def hole_psnr(output: Images, target: Images, mask: Masks) -> Float[Array, " b"]:
    """Peak signal-to-noise ratio of the hole's pixels in dB; infinite where they are equal."""
    return -10 * jnp.log10(_hole_mean(((output - target) / 2) ** 2, mask))


def hole_ssim(output: Images, target: Images, mask: Masks) -> Float[Array, " b"]:
    """Structural similarity, its map averaged over the hole's pixels and the channels; at most 1.

    Gaussian window of 11 pixels and standard deviation 1.5, population covariance, border
    reflected: scikit-image's ``structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, full=True)``. Windows reach across the hole's border.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity
    (2004).
    """
    x, y = (output + 1) / 2, (target + 1) / 2
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return _hole_mean(similarity, mask)


def _hole_mean(values: Float[Array, "b h w c"], mask: Masks) -> Float[Array, " b"]:
    total = jnp.sum(mask, axis=(1, 2, 3)) * values.shape[-1]
    return jnp.sum(values * mask, axis=(1, 2, 3)) / total


def _blur(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    for axis in (1, 2):
        size = x.shape[axis]
        padded = jnp.pad(x, [(5, 5) if i == axis else (0, 0) for i in range(4)], mode="symmetric")
        x = sum(
            (
                float(weight) * jax.lax.slice_in_dim(padded, i, i + size, axis=axis)
                for i, weight in enumerate(weights)
            ),
            start=jnp.zeros_like(x),
        )
    return x
