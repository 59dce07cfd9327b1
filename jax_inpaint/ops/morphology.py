"""Growing masks."""

import flax.linen as nn
from jaxtyping import Array, Float


def dilate(mask: Float[Array, "b h w 1"], radius: int = 1) -> Float[Array, "b h w 1"]:
    """The mask grown by ``radius`` pixels to all sides, corners included; at the border it ends."""
    size = 2 * radius + 1
    return nn.max_pool(mask, (size, size), padding="SAME")
