"""Figures of batches, faster."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax

Result = TypeVar("Result")


def one_by_one(function: Callable[..., Result], *batches: Any) -> Result:
    """``function(*batches)``, image after image on a CPU, whose cache holds one but not a batch.

    Other devices are given the batch as it is.

    Args:
        function: of batches, whose result has a value for each image.
        batches: arrays, or trees of them, whose first axis is the batch's.

    Example:
        >>> import jax.numpy as jnp
        >>> images = jnp.zeros((4, 32, 32, 3))
        >>> one_by_one(ssim, images, images).shape  # doctest: +SKIP
        (4,)
    """

    def of_one(images: Any) -> Result:
        result = function(*jax.tree.map(lambda array: array[None], images))
        return jax.tree.map(lambda array: array[0], result)

    result: Result = jax.lax.platform_dependent(
        batches,
        cpu=lambda batches: jax.lax.map(of_one, batches),
        default=lambda batches: function(*batches),
    )
    return result
