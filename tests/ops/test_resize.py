import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_inpaint.ops.resize import (
    align_corners_index,
    downsample_nearest,
    resize_bilinear,
    upsample_convolution,
    upsample_nearest,
)
from tests.twins.torch_arrays import from_torch, to_torch


def test_halving_64_takes_even_rows_first_and_odd_rows_last():
    index = align_corners_index(64, 32)
    assert index.tolist() == [*range(0, 31, 2), *range(33, 64, 2)]


@pytest.mark.parametrize(("size", "new_size"), [(64, 32), (66, 33), (256, 64), (6, 2), (96, 24)])
def test_index_rounds_the_exact_position_half_up(size, new_size):
    expected = [
        int(np.floor(np.float64(i) * (size - 1) / (new_size - 1) + 0.5)) for i in range(new_size)
    ]
    assert align_corners_index(size, new_size).tolist() == expected


def test_a_single_sample_is_the_first_pixel():
    assert align_corners_index(2, 1).tolist() == [0]


def test_two_steps_of_the_mask_differ_from_one():
    # The official mask goes down by 4 and then by 2; one step by 8 looks at other pixels.
    two_steps = align_corners_index(256, 64)[align_corners_index(64, 32)]
    one_step = align_corners_index(256, 32)
    assert np.sum(two_steps != one_step) == 24
    assert np.abs(two_steps - one_step).max() == 2


def test_downsampling_picks_pixels_and_upsampling_repeats_them():
    x = np.arange(2 * 4 * 6 * 1, dtype=np.float32).reshape(2, 4, 6, 1)
    small = downsample_nearest(jnp.asarray(x), 2, 3)
    np.testing.assert_array_equal(small, x[:, [0, 3]][:, :, [0, 3, 5]])
    large = upsample_nearest(jnp.asarray(x))
    for i in range(8):
        for j in range(12):
            np.testing.assert_array_equal(large[:, i, j], x[:, i // 2, j // 2])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_convolution_of_repeated_pixels_is_worked_out_before_repeating(size, before):
    x = jax.random.normal(jax.random.key(0), (2, 5, 6, 3))
    kernel = jax.random.normal(jax.random.key(1), (size, size, 3, 4))
    before = min(before, size - 1)
    padding = [(before, size - 1 - before), (size - 1 - before, before)]
    expected = jax.lax.conv_general_dilated(
        upsample_nearest(x), kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(
        upsample_convolution(x, kernel, padding), expected, rtol=1e-4, atol=1e-5
    )


def bilinear_in_torch(x: np.ndarray) -> np.ndarray:
    """To 32 x 29; in double precision, for PyTorch's positions in single are rounded."""
    options = {"size": (32, 29), "mode": "bilinear", "align_corners": False}
    return from_torch(torch.nn.functional.interpolate(to_torch(x).double(), **options))


@pytest.mark.parametrize(
    "size", [(32, 29), (64, 87), (61, 101), (700, 3), (31, 30), (17, 5), (1, 2), (1, 1)]
)
def test_bilinear_resizing_is_pytorchs(size):
    x = np.random.default_rng(0).uniform(-1, 1, (1, *size, 3)).astype(np.float32)
    resized = jax.jit(lambda x: resize_bilinear(x, 32, 29))(x)
    assert resized.dtype == jnp.float32
    np.testing.assert_allclose(resized, bilinear_in_torch(x), atol=2e-6)


def test_padded_images_of_many_sizes_are_resized_by_one_program_that_ignores_the_padding():
    generator = np.random.default_rng(0)
    resize = jax.jit(lambda x, sizes: resize_bilinear(x, 32, 29, sizes))
    for sizes in [(70, 81), (32, 29), (9, 20)], [(1, 1), (70, 2), (33, 28)]:
        images = [generator.uniform(-1, 1, (1, *size, 3)).astype(np.float32) for size in sizes]
        batch = np.full((3, 70, 81, 3), np.nan, np.float32)
        for place, image in zip(batch, images, strict=True):
            place[: image.shape[1], : image.shape[2]] = image[0]
        resized = resize(jnp.asarray(batch), jnp.asarray(sizes))
        expected = np.concatenate([bilinear_in_torch(image) for image in images])
        np.testing.assert_allclose(resized, expected, atol=2e-6)
    assert resize._cache_size() == 1
