import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.ops.patches import extract_patches, overlap_add, same_padding


def patches_by_loop(x: np.ndarray, window: int, stride: int) -> np.ndarray:
    batch, height, width, channels = x.shape
    rows, columns = -(-height // stride), -(-width // stride)
    top, left = (same_padding(n, window, stride)[0] for n in (height, width))
    out = np.zeros((batch, rows, columns, window, window, channels), x.dtype)
    for r in range(rows):
        for c in range(columns):
            for i in range(window):
                for j in range(window):
                    y, z = r * stride - top + i, c * stride - left + j
                    if 0 <= y < height and 0 <= z < width:
                        out[:, r, c, i, j] = x[:, y, z]
    return out


@pytest.mark.parametrize(("window", "stride"), [(3, 1), (4, 2), (2, 2), (6, 3)])
@pytest.mark.parametrize(("height", "width"), [(8, 6), (12, 18), (7, 5)])
def test_patches_are_those_of_the_definition(window, stride, height, width):
    x = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        extract_patches(jnp.asarray(x), window, stride), patches_by_loop(x, window, stride)
    )


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (6, 3), (2, 2), (3, 1)])
def test_overlap_add_is_the_transpose_of_extracting(window, stride):
    size = (6 * stride, 4 * stride)
    patches = jax.random.normal(jax.random.key(0), (2, 6, 4, window, window, 3))

    def extract(image):
        return extract_patches(image, window, stride)

    (expected,) = jax.linear_transpose(extract, jnp.zeros((2, *size, 3)))(patches)
    np.testing.assert_allclose(overlap_add(patches, stride), expected, rtol=1e-5, atol=1e-5)


def test_padding_is_that_of_tensorflow():
    # Pairs from TensorFlow's SAME rule for even sizes.
    assert same_padding(64, 3, 2) == (0, 1)
    assert same_padding(64, 5, 2) == (1, 2)
    assert same_padding(64, 5, 1) == (2, 2)
    assert same_padding(65, 3, 2) == (1, 1)
