"""Gaussian blur of one image."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def gaussian_blur(
    image: Float[Array, "h w c"], sigma: float | Float[Array, ""], radius: int
) -> Float[Array, "h w c"]:
    """Separable Gaussian blur; beyond its edges the image goes on mirrored.

    Args:
        image: of any size.
        sigma: standard deviation, pixels; at 0 the image stays as it is, bit for bit.
        radius: pixels that the kernel reaches to each side; three sigma leave out 0.3 % of it.
    """
    offsets = np.arange(-radius, radius + 1)
    # With a deviation this small only the pixel itself has a weight in float32.
    weights = jnp.exp(-0.5 * (offsets / jnp.maximum(sigma, 1e-3)) ** 2)
    weights /= jnp.sum(weights)
    # Shifted sums stay exact where accelerators would round the products of a convolution.
    for axis, size in enumerate(image.shape[:2]):
        border = [(radius, radius) if other == axis else (0, 0) for other in range(3)]
        # Both axes fused into one loop, XLA would add up the square of the kernel's size.
        padded = jax.lax.optimization_barrier(jnp.pad(image, border, mode="symmetric"))
        shifted = [
            weights[i] * jax.lax.slice_in_dim(padded, i, i + size, axis=axis)
            for i in range(len(offsets))
        ]
        image = jax.lax.optimization_barrier(sum(shifted[1:], start=shifted[0]))
    return image
