"""Contextual attention against loops in NumPy, written from the definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.ops.attention import contextual_attention, fuse_scores

attend = jax.jit(contextual_attention, static_argnames=("softmax_scale", "fuse"))


def sampled(size: int) -> list[int]:
    """Positions of nearest sampling by two, corners aligned."""
    half = size // 2
    return (
        [0]
        if half == 1
        else [int(np.floor(i * (size - 1) / (half - 1) + 0.5)) for i in range(half)]
    )


def patch(x: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    """The size x size patch whose upper left corner is at (row, column), zeros outside."""
    out = np.zeros((size, size, x.shape[-1]))
    for i in range(size):
        for j in range(size):
            if 0 <= row + i < x.shape[0] and 0 <= column + j < x.shape[1]:
                out[i, j] = x[row + i, column + j]
    return out


def fuse_by_loop(scores: np.ndarray) -> np.ndarray:
    """Two convolutions with eye(3): pixels numbered by rows, then by columns."""
    h, w = scores.shape[:2]

    def along_diagonal(value):
        n = h * w
        return [
            [
                sum(value(i + a, j + a) for a in (-1, 0, 1) if 0 <= i + a < n and 0 <= j + a < n)
                for j in range(n)
            ]
            for i in range(n)
        ]

    rows = along_diagonal(lambda i, j: scores[i // w, i % w, j // w, j % w])
    by_rows = lambda r, c, p, q: rows[r * w + c][p * w + q]  # noqa: E731
    columns = along_diagonal(lambda i, j: by_rows(i % h, i // h, j % h, j // h))
    out = np.zeros_like(scores)
    for r in range(h):
        for c in range(w):
            for p in range(h):
                for q in range(w):
                    out[r, c, p, q] = columns[c * h + r][q * h + p]
    return out


def attend_by_loop(foreground, background, mask, fuse=True, scale=10.0):
    """One image: (H, W, C), (H, W, C), (H, W, 1)."""
    height, width, channels = foreground.shape
    h, w = height // 2, width // 2
    pick = np.ix_(sampled(height), sampled(width))
    small_f, small_b, small_m = foreground[pick], background[pick], mask[pick]

    scores = np.zeros((h, w, h, w))
    usable = np.zeros((h, w))
    for p in range(h):
        for q in range(w):
            key = patch(small_b, p - 1, q - 1, 3)
            key = key / max(np.sqrt((key**2).sum()), 1e-4)
            usable[p, q] = patch(small_m, p - 1, q - 1, 3).sum() == 0
            for r in range(h):
                for c in range(w):
                    scores[r, c, p, q] = (patch(small_f, r - 1, c - 1, 3) * key).sum()
    if fuse:
        scores = fuse_by_loop(scores)

    output = np.zeros((height + 2, width + 2, channels))
    offsets = np.zeros((h, w, 2), int)
    for r in range(h):
        for c in range(w):
            logits = scores[r, c] * usable * scale
            weights = np.exp(logits - logits.max())
            weights = weights / weights.sum() * usable
            best = np.unravel_index(weights.argmax(), weights.shape) if weights.any() else (r, c)
            offsets[r, c] = np.array(best) - (r, c)
            for p in range(h):
                for q in range(w):
                    # 4x4 patches at stride 2 begin one pixel outside; output has that margin too.
                    value = patch(background, 2 * p - 1, 2 * q - 1, 4)
                    output[2 * r : 2 * r + 4, 2 * c : 2 * c + 4] += weights[p, q] * value
    return output[1:-1, 1:-1] / 4, offsets


def example(batch=2, height=8, width=12, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    f, b = rng.normal(size=(2, batch, height, width, channels)).astype(np.float32)
    mask = np.zeros((batch, height, width, 1), np.float32)
    for i in range(batch):  # a different hole in every image
        mask[i, 1 + i : 4 + i, 2 * i + 1 : 2 * i + 5] = 1
    return jnp.asarray(f), jnp.asarray(b), jnp.asarray(mask)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("size", [(8, 12), (12, 8), (6, 6)])
def test_equals_the_definition_with_another_mask_for_every_image(fuse, size):
    f, b, mask = example(height=size[0], width=size[1])
    attended, offsets = attend(f, b, mask, fuse=fuse)
    for i in range(len(f)):
        expected, flow = attend_by_loop(*(np.asarray(x[i]) for x in (f, b, mask)), fuse)
        np.testing.assert_allclose(attended[i], expected, atol=2e-5)
        np.testing.assert_array_equal(offsets[i], flow)


def test_an_image_is_not_influenced_by_its_neighbours_in_the_batch():
    f, b, mask = example()
    together, _ = attend(f, b, mask)
    alone, _ = attend(f[1:], b[1:], mask[1:])
    np.testing.assert_allclose(together[1:], alone, atol=1e-6)


def test_fusing_equals_two_convolutions_with_an_identity_kernel():
    scores = np.random.default_rng(1).normal(size=(1, 3, 4, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(
        fuse_scores(jnp.asarray(scores))[0], fuse_by_loop(scores[0]), atol=1e-5
    )


def test_a_full_mask_gives_zeros_and_finite_gradients():
    f, b, mask = example()
    mask = jnp.ones_like(mask)
    attended, offsets = attend(f, b, mask)
    np.testing.assert_array_equal(attended, 0)
    np.testing.assert_array_equal(offsets, 0)
    gradient = jax.grad(lambda f: attend(f, f, mask)[0].sum())(jnp.asarray(f))
    assert np.isfinite(gradient).all()


def test_zero_features_have_finite_gradients():
    _, _, mask = example()
    zeros = jnp.zeros((2, 8, 12, 3))
    gradient = jax.grad(lambda x: attend(x, x, mask)[0].sum())(zeros)
    assert np.isfinite(gradient).all()


def test_features_of_patches_that_touch_the_hole_are_not_pasted():
    # Only the left half is known. A 4x4 patch reaches one pixel further than the position it is
    # matched at, so no value from beyond that may reach the output, whatever it is.
    f, b, _ = example(height=16, width=16)
    mask = jnp.zeros((2, 16, 16, 1)).at[:, :, 8:].set(1)
    attended, offsets = attend(f, b, mask)
    other, _ = attend(f, b.at[:, :, 8:].set(1e3), mask, fuse=False)
    unfused, _ = attend(f, b, mask, fuse=False)
    np.testing.assert_allclose(other, unfused, atol=1e-5)
    columns = offsets[..., 1] + np.arange(8)
    assert columns.max() < 4
    assert np.isfinite(attended).all()


def test_bfloat16_features_give_bfloat16_close_to_float32():
    f, b, mask = example()
    exact, _ = attend(f, b, mask, softmax_scale=1.0)
    rounded, _ = attend(f.astype(jnp.bfloat16), b.astype(jnp.bfloat16), mask, softmax_scale=1.0)
    assert rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(rounded.astype(np.float32), exact, atol=0.1)


def test_odd_feature_maps_are_refused_with_their_size():
    f, b, mask = example(height=9)
    with pytest.raises(ValueError, match="9x12"):
        contextual_attention(f, b, mask)
