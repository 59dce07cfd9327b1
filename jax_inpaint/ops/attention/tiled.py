"""Contextual attention tile by tile: the result of the dense form, in memory linear in pixels."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int

from jax_inpaint.ops.attention.dense import attention_size, offset_flow, usable_keys
from jax_inpaint.ops.attention.positions import (
    Numbers,
    row_of_keys,
    take,
    take_columns,
    tile_shape,
    tiles_of_queries,
)
from jax_inpaint.ops.patches import extract_patches, same_padding
from jax_inpaint.ops.resize import Resampling, downsample_nearest
from jax_inpaint.ops.sharding import map_shared


def contextual_attention(
    foreground: Float[Array, "b h w c"],
    background: Float[Array, "b h w c"],
    mask: Float[Array, "b p q 1"],
    *,
    rate: int = 2,
    softmax_scale: float = 10.0,
    fuse: bool = True,
    resampling: Resampling = "align_corners",
    wanted: Bool[Array, "b rows columns"] | None = None,
) -> tuple[Float[Array, "b h w c"], Int[Array, "b rows columns 2"]]:
    """Rebuilds ``foreground`` from patches of ``background`` that hold no hole pixel.

    1. Both maps and the mask are sampled down to ``1 / rate`` of the features' size (nearest).
    2. Every 3x3 foreground patch is scored against every 3x3 background patch by their inner
       product, divided by the length of the background patch.
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
        wanted: positions at the lower resolution whose patches matter; all if not given. Tiles
            without one are left out, and both results are 0 there.

    Returns:
        The attended features, and the offset flow: for each position at the lower resolution, how
        far away (rows, columns) the most attended background patch is; 0 where there is none.

    Scores, lengths and softmax are float32 whatever the features' dtype; matrix products take their
    operands in the features' dtype. Queries are processed in tiles, whose scores the gradient
    computes anew, so memory grows with ``h * w`` and not with its square.

    Source: Yu et al., Generative Image Inpainting with Contextual Attention (2018), section 4.1,
    with every detail as in the official DeepFillv2 code.
    """
    batch, height, width, _ = foreground.shape
    h, w = attention_size(foreground, rate)
    halo = 2 if fuse else 1
    queries = _flat(downsample_nearest(foreground, h, w, resampling))
    keys = _keys(
        downsample_nearest(background, h, w, resampling),
        usable_keys(mask, h, w, resampling),
        _blocks(background, rate),
        halo,
    )

    def attend(numbers: Int[Array, "r c"], inside: Bool[Array, "y x"]) -> tuple[Array, Array]:
        scores = _scores(take_columns(queries, numbers, w), numbers, keys, (h, w), fuse)
        weights = _weights(scores * softmax_scale, keys, inside)
        return _paste(weights, keys), _best(weights, keys)

    rows, columns = tile_shape(h, w, parts=wanted is not None)
    tiles = jax.tree.map(jnp.asarray, tiles_of_queries(h, w, rows, columns, halo))
    if len(tiles[0]) == 1:
        pasted, best = jax.tree.map(lambda x: x[None], attend(tiles[0][0], tiles[1][0]))
    else:
        attend = jax.checkpoint(attend, prevent_cse=False)
        if wanted is None:
            pasted, best = map_shared(lambda tile: attend(*tile), tiles)
        else:
            used = _used_tiles(wanted, rows, columns)
            pasted, best = map_shared(lambda tile: _attend_if(attend, *tile), (used, *tiles))

    grid = -(-h // rows), -(-w // columns)
    pasted = _join(_join(pasted.reshape(*grid, *pasted.shape[1:])))[:, : h + 1, : w + 1]
    before = same_padding(height, 2 * rate, rate)[0]
    attended = _unblocked(pasted / 4, rate)[:, before:, before:][:, :height, :width]
    best = best.reshape(*grid, batch, rows, columns).transpose(2, 0, 3, 1, 4)
    best = best.reshape(batch, grid[0] * rows, grid[1] * columns)[:, :h, :w]
    return attended.astype(foreground.dtype), offset_flow(best)


def _used_tiles(wanted: Bool[Array, "b h w"], rows: int, columns: int) -> Bool[Array, " t"]:
    """Which tiles hold a position that is wanted in any image."""
    _, h, w = wanted.shape
    wanted = jnp.pad(jnp.any(wanted, axis=0), ((0, -h % rows), (0, -w % columns)))
    return jnp.any(wanted.reshape(-(-h // rows), rows, -1, columns), axis=(1, 3)).ravel()


def _attend_if(
    attend: Callable[..., tuple[Array, Array]],
    used: Bool[Array, ""],
    *tile: Array,
) -> tuple[Array, Array]:
    """What ``attend`` says of a tile that is used; else zeros, and no best key anywhere."""
    pasted, best = jax.eval_shape(attend, *tile)

    def leave_out(*_: Array) -> tuple[Array, Array]:
        return jnp.zeros_like(pasted), jnp.full_like(best, -1)

    return jax.lax.cond(used, attend, leave_out, *tile)


class Keys(NamedTuple):
    """What queries are compared with and what is pasted, position by position of a wider map."""

    features: Float[Array, "b c k"]  # of the pixels above, at and below
    numbers: Int[np.ndarray, " k"]
    length: Float32[Array, "b 1 1 m"]  # of 3x3 patches, but for the first and the last position
    scored: Int[np.ndarray, " s"]  # numbers of the positions that have scores in the end, or -1
    usable: Float32[Array, "b 1 1 s"]
    values: Float[Array, "b d v"]  # blocks of pixels, from the map's first position to the last
    pitch: int  # from one row to the next


def _keys(
    background: Float[Array, "b h w c"],
    usable: Float32[Array, "b h w"],
    blocks: Float[Array, "b h+1 w+1 d"],
    halo: int,
) -> Keys:
    batch, h, w, _ = background.shape
    numbers, scored = row_of_keys(h, w, halo)
    squared = jnp.sum(background.astype(jnp.float32) ** 2, axis=-1, keepdims=True)
    squared = jnp.sum(extract_patches(squared, window=3), axis=(3, 4))
    # At least 1e-4, bounded before the root: the root's gradient at 0 would be infinite.
    length = jnp.sqrt(jnp.maximum(take(_flat(squared), numbers[1:-1]), 1e-8))
    unused = 2 * halo - 1
    blocks = jnp.pad(blocks, ((0, 0), (0, 0), (0, unused), (0, 0)))
    return Keys(
        features=take_columns(_flat(background), numbers, w).swapaxes(1, 2),
        numbers=numbers,
        length=length.reshape(batch, 1, 1, -1),
        scored=scored,
        usable=take(usable.reshape(batch, h * w, 1), scored).reshape(batch, 1, 1, -1),
        values=_flat(blocks)[:, :-unused].swapaxes(1, 2),
        pitch=w + 2 * halo,
    )


def _scores(
    queries: Float[Array, "b r c d"],
    numbers: Int[Array, "r c"],
    keys: Keys,
    size: tuple[int, int],
    fuse: bool,
) -> Float32[Array, "b y x s"]:
    """Inner products of 3x3 patches over the key's length, fused if asked for."""
    h, w = size
    scores = jnp.einsum(
        "brcd,bdk->brck", queries, keys.features, preferred_element_type=jnp.float32
    )

    def ends_of_rows(numbers: Numbers) -> tuple[Array, Array]:
        return _one_or_zero(numbers % w > 0), _one_or_zero(numbers % w < w - 1)

    def ends_of_map(numbers: Numbers) -> tuple[Array, Array]:
        return _one_or_zero(numbers != 0), _one_or_zero(numbers != h * w - 1)

    # Patches end with the row. Fusing runs on, but for the map's first and last position.
    scores = _add_neighbours(
        scores, 2, 1, ends_of_rows(numbers[:, 1:-1]), ends_of_rows(keys.numbers[1:-1])
    )
    scores = scores / keys.length
    if fuse:
        scores = _add_neighbours(scores, 2, 1)
        scores = _add_neighbours(
            scores, 1, keys.pitch, ends_of_map(numbers[1:-1, 2:-2]), ends_of_map(keys.scored)
        )
    return scores


def _one_or_zero(condition: Bool[Array | np.ndarray, "*p"]) -> Float32[Array, "*p"]:
    # The root keeps XLA on CPU from looking these few numbers up within the sums over neighbours,
    # which it then doesn't vectorise: they take ten times as long.
    return jnp.sqrt(jnp.asarray(condition, jnp.float32))


def _add_neighbours(
    scores: Float32[Array, "b r c k"],
    axis: int,
    step: int,
    of_queries: tuple[Array, Array] | None = None,
    of_keys: tuple[Array, Array] | None = None,
) -> Float32[Array, "b y x s"]:
    """Adds to the score of each pair those of the pairs (query, key) just before and just after it.

    Queries are neighbours along ``axis``, keys are that many steps away. What has no neighbours
    because the array ends is dropped. ``of_queries`` and ``of_keys`` are 0 where another one has
    none, before and after it.
    """
    queries, keys = scores.shape[axis] - 2, scores.shape[-1] - 2 * step

    def shifted(steps: int) -> Array:
        part = jax.lax.slice_in_dim(scores, steps, steps + queries, axis=axis)
        return part[..., steps * step :][..., :keys]

    before, here, after = (shifted(steps) for steps in range(3))
    if of_queries is not None and of_keys is not None:
        before *= of_queries[0][..., None] * of_keys[0]
        after *= of_queries[1][..., None] * of_keys[1]
    return before + here + after


def _weights(
    scores: Float32[Array, "b r c s"], keys: Keys, inside: Bool[Array, "y x"]
) -> Float32[Array, "b y x s"]:
    """Softmax over the keys, 0 for keys that aren't usable, with a border of zeros for queries."""
    logits = scores * keys.usable + np.where(keys.scored < 0, -np.inf, 0).astype(np.float32)
    logits = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    weights = jnp.exp(jnp.pad(logits, border, constant_values=-np.inf))
    total = jnp.sum(weights, axis=-1, keepdims=True)
    inside = _one_or_zero(inside)[..., None]
    return weights * keys.usable * (inside / jnp.where(inside > 0, total, 1))


def _paste(weights: Float32[Array, "b r c s"], keys: Keys) -> Float32[Array, "b r-1 c-1 d"]:
    """The blocks of pixels that weights paste, with one more row and column than there are queries.

    A patch is two blocks high and wide. Each block gets the weights of the four patches that it is
    part of, moved to it, added up: a quarter of the products of whole patches.
    """
    rows, columns = weights.shape[1] - 1, weights.shape[2] - 1
    reach = keys.values.shape[-1]

    def moved(y: int, x: int) -> Array:
        return weights[:, y : y + rows, x : x + columns, y * keys.pitch + x :][..., :reach]

    total = moved(0, 0) + moved(0, 1) + moved(1, 0) + moved(1, 1)
    return jnp.einsum(
        "brck,bdk->brcd",
        total.astype(keys.values.dtype),
        keys.values,
        preferred_element_type=jnp.float32,
    )


def _best(weights: Float32[Array, "b r c s"], keys: Keys) -> Int[Array, "b r-2 c-2"]:
    """The number of the first key with the largest weight, -1 if all are 0."""
    weights = weights[:, 1:-1, 1:-1]
    largest = jnp.max(weights, axis=-1, keepdims=True)
    first = jnp.min(jnp.where(weights == largest, keys.scored, keys.numbers.size), axis=-1)
    return jnp.where(largest[..., 0] > 0, first, -1)


def _flat(x: Float[Array, "b h w c"]) -> Float[Array, "b h*w c"]:
    return x.reshape(x.shape[0], -1, x.shape[-1])


def _blocks(x: Float[Array, "b h w c"], rate: int) -> Float[Array, "b p q d"]:
    """Blocks of rate x rate pixels of a map padded as :func:`extract_patches` does it."""
    batch, height, width, channels = x.shape
    padding = [same_padding(size, 2 * rate, rate) for size in (height, width)]
    x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
    h, w = height // rate + 1, width // rate + 1
    x = x.reshape(batch, h, rate, w, rate, channels).swapaxes(2, 3)
    return x.reshape(batch, h, w, -1)


def _unblocked(x: Float[Array, "b h w d"], rate: int) -> Float[Array, "b p q c"]:
    batch, h, w, _ = x.shape
    x = x.reshape(batch, h, w, rate, rate, -1).swapaxes(2, 3)
    return x.reshape(batch, h * rate, w * rate, -1)


def _join(tiles: Float[Array, "t x y n *d"]) -> Float[Array, "x y m *d"]:
    """Joins tiles along the fourth axis, where each overlaps the next by one: that is added up."""
    size = tiles.shape[3] - 1
    rest = [(0, 0)] * (tiles.ndim - 4)
    inner = jnp.pad(tiles[:, :, :, :size], [(0, 1), (0, 0), (0, 0), (0, 0), *rest])
    overlap = jnp.pad(tiles[:, :, :, size:], [(1, 0), (0, 0), (0, 0), (0, size - 1), *rest])
    joined = jnp.moveaxis(inner + overlap, 0, 2)
    return joined.reshape(*joined.shape[:2], -1, *joined.shape[4:])
