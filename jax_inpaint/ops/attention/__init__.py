"""Contextual attention: fill holes with patches of known background (DeepFill v1 and v2)."""

from jax_inpaint.ops.attention.dense import dense_contextual_attention, fuse_scores
from jax_inpaint.ops.attention.tiled import attention_memory, contextual_attention

__all__ = [
    "attention_memory",
    "contextual_attention",
    "dense_contextual_attention",
    "fuse_scores",
]
