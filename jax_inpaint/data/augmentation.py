"""Random changes to training images that keep them photographs, made inside the compiled step."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jax_inpaint.config import DataConfig
from jax_inpaint.ops.blur import gaussian_blur

Image = Float[Array, "h w c"]
Scalar = float | Float[Array, ""]

# A turn by 90 degrees about the grey axis of the RGB cube, without the axis itself.
_QUARTER_TURN = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32) / np.sqrt(np.float32(3))
_GREY = np.full((3, 3), 1 / 3, np.float32)
_COLOR = np.eye(3, dtype=np.float32) - _GREY


def augment(
    key: PRNGKeyArray,
    images: Float[Array, "b h w 3"],
    config: DataConfig,
    first: int | Int[Array, ""] = 0,
) -> Float[Array, "b h w 3"]:
    """Blurs some images and changes the colours of all, as far as the configuration asks for it.

    Args:
        key: decides everything; the same key gives the same changes on any number of devices.
        images: float32 in [-1, 1]; so is the result.
        config: ``blur``, ``blur_sigma`` and ``color_jitter``; at 0 nothing is computed.
        first: number of the first image in the global batch, where this is only a part of it.
    """
    if not (config.blur or config.color_jitter):
        return images

    def change(key: PRNGKeyArray, image: Image) -> Image:
        blur_key, color_key = jax.random.split(key)
        if config.blur:
            image = blur_randomly(blur_key, image, config.blur, config.blur_sigma)
        if config.color_jitter:
            image = jitter_color(color_key, image, config.color_jitter)
        return jnp.clip(image, -1, 1)

    keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(len(images)))
    return jax.vmap(change)(keys, images)


def jitter_color(key: PRNGKeyArray, image: Image, strength: float) -> Image:
    """Random hue, saturation, contrast and brightness, the same for all pixels; unclipped.

    Where photographs are few, it shows the network colours that they don't have.

    Args:
        key: draws the change.
        image: of three channels, in [-1, 1].
        strength: in [0, 1]. At 0 nothing changes. At 1 the hue is any, saturation grey to 1.5,
            contrast half to 1.2, brightness up to a fifth of the range more or less.
    """
    low = jnp.array([-jnp.pi, -1.0, -0.5, -0.4])
    high = jnp.array([jnp.pi, 0.5, 0.2, 0.4])
    change = strength * jax.random.uniform(key, (4,), minval=low, maxval=high)
    return change_color(image, change[0], 1 + change[1], 1 + change[2], change[3])


def change_color(
    image: Image, angle: Scalar, saturation: Scalar, contrast: Scalar, brightness: Scalar
) -> Image:
    """Turns the RGB cube about its grey axis and scales it about mid-grey; unclipped.

    Args:
        image: of three channels, in [-1, 1].
        angle: of the turn, radians.
        saturation: factor of the distance from the grey axis.
        contrast: factor of the distance from mid-grey.
        brightness: what is added in the end.
    """
    turn = jnp.cos(angle) * _COLOR + jnp.sin(angle) * _QUARTER_TURN
    matrix = contrast * (_GREY + saturation * turn)
    return jnp.einsum("hwc,dc->hwd", image, matrix, precision="highest") + brightness


def blur_randomly(
    key: PRNGKeyArray, image: Image, share: float, sigma: tuple[float, float]
) -> Image:
    """A Gaussian blur, or none.

    Args:
        key: decides whether, and how much.
        image: of any size.
        share: probability of a blur.
        sigma: least and most of the standard deviation, pixels; all between are equally likely.
    """
    whether_key, sigma_key = jax.random.split(key)
    blurred = jax.random.bernoulli(whether_key, share)
    drawn = jax.random.uniform(sigma_key, minval=sigma[0], maxval=sigma[1])
    return gaussian_blur(image, jnp.where(blurred, drawn, 0.0), math.ceil(3 * sigma[1]))
