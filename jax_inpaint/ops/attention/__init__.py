"""Contextual attention: fill holes with patches of known background (DeepFill v1 and v2)."""

from jax_inpaint.ops.attention.dense import dense_contextual_attention, fuse_scores
from jax_inpaint.ops.attention.tiled import contextual_attention

__all__ = [
    "contextual_attention",
    "dense_contextual_attention",
    "fuse_scores",
]
