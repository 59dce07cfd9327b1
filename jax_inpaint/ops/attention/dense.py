"""Contextual attention as it is defined, with the matrix of all scores in memory."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jax_inpaint.ops.patches import extract_patches, overlap_add
from jax_inpaint.ops.resize import Resampling, downsample_nearest


def fuse_scores(
    scores: Float[Array, "b h w p q"],
) -> Float[Array, "b h w p q"]:
    """Adds up the scores of neighbouring query and key pairs, along rows and then columns.

    A pair (query i, key j) gains from (i - 1, j - 1) and (i + 1, j + 1), first with positions
    numbered row by row, then column by column: coherent copies beat single matches. As in the
    official code the numbering runs on past the end of a row (the last pixel of one row and the
    first of the next are neighbours). It equals the official two convolutions with ``eye(3)``.
    """
    batch, h, w, p, q = scores.shape

    def add_diagonal_neighbours(matrix: Float[Array, "b i j"]) -> Float[Array, "b i j"]:
        _, i, j = matrix.shape
        padded = jnp.pad(matrix, ((0, 0), (1, 1), (1, 1)))
        return padded[:, :i, :j] + matrix + padded[:, 2:, 2:]

    by_rows = add_diagonal_neighbours(scores.reshape(batch, h * w, p * q))
    by_columns = by_rows.reshape(batch, h, w, p, q).transpose(0, 2, 1, 4, 3)
    fused = add_diagonal_neighbours(by_columns.reshape(batch, w * h, q * p))
    return fused.reshape(batch, w, h, q, p).transpose(0, 2, 1, 4, 3)


def dense_contextual_attention(
    foreground: Float[Array, "b h w c"],
    background: Float[Array, "b h w c"],
    mask: Float[Array, "b p q 1"],
    *,
    rate: int = 2,
    softmax_scale: float = 10.0,
    fuse: bool = True,
    resampling: Resampling = "align_corners",
) -> tuple[Float[Array, "b h w c"], Int[Array, "b rows columns 2"]]:
    """The definition of :func:`~jax_inpaint.ops.attention.contextual_attention`, step by step.

    Same arguments and results; memory grows with the square of the features' area.
    """
    batch, _, _, channels = foreground.shape
    dtype = foreground.dtype
    h, w = attention_size(foreground, rate)

    queries = extract_patches(downsample_nearest(foreground, h, w, resampling), window=3)
    keys = extract_patches(downsample_nearest(background, h, w, resampling), window=3)
    keys = keys.astype(jnp.float32)
    # At least 1e-4, bounded before the root: the root's gradient at 0 would be infinite.
    squared = jnp.maximum(jnp.sum(keys**2, axis=(3, 4, 5), keepdims=True), 1e-8)
    keys = (keys / jnp.sqrt(squared)).astype(dtype)
    scores = jnp.einsum("bhwijc,bpqijc->bhwpq", queries, keys, preferred_element_type=jnp.float32)
    if fuse:
        scores = fuse_scores(scores)

    usable = usable_keys(mask, h, w, resampling).reshape(batch, 1, h * w)
    scores = scores.reshape(batch, h * w, h * w)
    attention = jax.nn.softmax(scores * usable * softmax_scale, axis=-1) * usable

    values = extract_patches(background, window=2 * rate, stride=rate)
    pasted = jnp.einsum(
        "bnk,bkd->bnd",
        attention.astype(dtype),
        values.reshape(batch, h * w, -1),
        preferred_element_type=jnp.float32,
    )
    pasted = pasted.reshape(batch, h, w, 2 * rate, 2 * rate, channels)
    attended = (overlap_add(pasted, stride=rate) / 4.0).astype(dtype)

    best = jnp.argmax(attention, axis=-1)
    best = jnp.where(jnp.any(attention > 0, axis=-1), best, -1)
    return attended, offset_flow(best.reshape(batch, h, w))


def attention_size(features: Float[Array, "b h w c"], rate: int) -> tuple[int, int]:
    """Height and width at which patches are compared. Raises ValueError if they aren't whole."""
    _, height, width, _ = features.shape
    if height % rate or width % rate:
        raise ValueError(
            f"contextual attention at rate {rate} needs height and width that are multiples of "
            f"{rate}, but the features are {height}x{width}; pad the image to a multiple of 8"
        )
    return height // rate, width // rate


def usable_keys(
    mask: Float[Array, "b p q 1"], h: int, w: int, resampling: Resampling
) -> Float[Array, "b {h} {w}"]:
    """1 where a 3x3 patch of background holds no hole pixel, else 0; float32."""
    hole = extract_patches(downsample_nearest(mask, h, w, resampling), window=3)
    return jnp.all(hole == 0, axis=(3, 4, 5)).astype(jnp.float32)


def offset_flow(best: Int[Array, "b h w"]) -> Int[Array, "b h w 2"]:
    """Rows and columns from each position to the one whose number is given; 0 where that is -1."""
    _, h, w = best.shape
    row, column = jnp.indices((h, w))
    best = jnp.where(best < 0, row * w + column, best)
    return jnp.stack([best // w - row, best % w - column], axis=-1).astype(jnp.int32)
