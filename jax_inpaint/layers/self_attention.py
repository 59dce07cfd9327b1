"""Self-attention between all positions of a feature map."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


class SelfAttention(nn.Module):
    """``x + gamma * out(sum_i softmax_i(query_j . key_i) value_i)`` at every position ``j``.

    Queries, keys and values have an eighth of the channels and come, as the result does, from 1x1
    convolutions without bias. ``gamma`` starts at 0, so that the layer starts as the identity. Its
    memory grows with the square of the number of positions; the softmax is float32.

    ``(B, H, W, C) -> (B, H, W, C)``

    Source: Zhang et al., Self-Attention Generative Adversarial Networks (2019), section 3.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """Features of the same shape, in ``dtype``."""
        batch, height, width, channels = x.shape

        def projection(features: int, name: str) -> nn.Dense:
            return nn.Dense(features, use_bias=False, dtype=self.dtype, name=name)

        inner = max(channels // 8, 1)
        positions = x.reshape(batch, height * width, channels)
        query, key, value = (
            projection(inner, name)(positions) for name in ("query", "key", "value")
        )
        scores = jnp.einsum("bjc,bic->bji", query, key, preferred_element_type=jnp.float32)
        attention = jax.nn.softmax(scores, axis=-1).astype(self.dtype)
        attended = projection(channels, "out")(jnp.einsum("bji,bic->bjc", attention, value))
        gamma = self.param("gamma", nn.initializers.zeros, ())
        return x + gamma.astype(self.dtype) * attended.reshape(x.shape)
