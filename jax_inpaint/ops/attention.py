"""Contextual attention: fill holes with patches of known background (DeepFill v1 and v2)."""

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


def attention_memory(positions: int) -> int:
    """Bytes of attention among so many positions: scores, two fused copies, weights; float32."""
    return 4 * 4 * positions**2


def contextual_attention(
    foreground: Float[Array, "b h w c"],
    background: Float[Array, "b h w c"],
    mask: Float[Array, "b p q 1"],
    *,
    rate: int = 2,
    softmax_scale: float = 10.0,
    fuse: bool = True,
    resampling: Resampling = "align_corners",
) -> tuple[Float[Array, "b h w c"], Int[Array, "b h//2 w//2 2"]]:
    """Rebuilds ``foreground`` from patches of ``background`` that hold no hole pixel.

    1. Both maps and the mask are sampled down to ``1 / rate`` of the features' size (nearest).
    2. Every 3x3 foreground patch is scored against every 3x3 background patch by their inner
       product, the background patch scaled to unit length.
    3. Scores are fused (:func:`fuse_scores`), those of background patches that touch the hole set
       to 0, scaled, put through a softmax over background patches, and set to 0 again. Rows are
       not renormalised, so they sum to less than 1 where there are holes, and to 0 with no NaN
       where everything is hole.
    4. Each weight pastes the ``2 * rate`` wide background patch at full resolution; overlaps are
       added up and divided by 4, their number in the middle of the map. The border, which fewer
       patches cover, comes out weaker, as in the official code.

    Args:
        foreground: features to rebuild, height and width multiples of ``rate``.
        background: features to take patches from, of the same shape.
        mask: 1 in the hole, one per image (the official code uses the first image's for all), of
            the features' size or larger.
        rate: how far attention is computed below the features' resolution.
        softmax_scale: inverse temperature of the softmax.
        fuse: whether to fuse scores of neighbours.
        resampling: how features and mask are sampled down; the official way is align_corners.

    Returns:
        The attended features, and the offset flow: for each position at the lower resolution, how
        far away (rows, columns) the most attended background patch is; 0 where there is none.

    Scores, norms and softmax are float32 whatever the features' dtype; products of patches take
    their operands in the features' dtype. Cost: memory grows with ``(h * w / rate**2) ** 2``.

    Source: Yu et al., Generative Image Inpainting with Contextual Attention (2018), section 4.1,
    with every detail as in the official DeepFillv2 code.
    """
    batch, height, width, channels = foreground.shape
    if height % rate or width % rate:
        raise ValueError(
            f"contextual attention at rate {rate} needs height and width that are multiples of "
            f"{rate}, but the features are {height}x{width}; pad the image to a multiple of 8"
        )
    dtype = foreground.dtype
    h, w = height // rate, width // rate

    queries = extract_patches(downsample_nearest(foreground, h, w, resampling), window=3)
    keys = extract_patches(downsample_nearest(background, h, w, resampling), window=3)
    keys = keys.astype(jnp.float32)
    # At least 1e-4, bounded before the root: the root's gradient at 0 would be infinite.
    squared = jnp.maximum(jnp.sum(keys**2, axis=(3, 4, 5), keepdims=True), 1e-8)
    keys = (keys / jnp.sqrt(squared)).astype(dtype)
    scores = jnp.einsum("bhwijc,bpqijc->bhwpq", queries, keys, preferred_element_type=jnp.float32)
    if fuse:
        scores = fuse_scores(scores)

    hole = extract_patches(downsample_nearest(mask, h, w, resampling), window=3)
    usable = jnp.all(hole == 0, axis=(3, 4, 5)).astype(jnp.float32).reshape(batch, 1, h * w)
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
    best = jnp.where(jnp.any(attention > 0, axis=-1), best, jnp.arange(h * w)).reshape(batch, h, w)
    position = jnp.stack(jnp.meshgrid(jnp.arange(h), jnp.arange(w), indexing="ij"), axis=-1)
    offsets = jnp.stack([best // w, best % w], axis=-1) - position
    return attended, offsets.astype(jnp.int32)
