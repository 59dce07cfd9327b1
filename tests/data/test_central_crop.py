import numpy as np
import pytest
from PIL import Image

from jax_inpaint.data.stream import central_crop


def ramps(height, width):
    """Red is twice the row, green the column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([2 * rows, columns, 0 * rows], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((100, 200), (50, 50)), ((120, 60), (40, 48)), ((90, 111), (30, 37)), ((24, 20), (72, 30))],
)
def test_the_middle_of_the_largest_part_of_these_proportions(shape, size):
    crop = central_crop(ramps(*shape), size)
    assert (crop.shape, crop.dtype) == ((*size, 3), np.uint8)
    scale = min(shape[0] / size[0], shape[1] / size[1])
    for axis, slope in ((0, 2), (1, 1)):
        first = (shape[axis] - scale * size[axis]) / 2
        assert first >= 0
        places = first + scale * (np.arange(size[axis]) + 0.5) - 0.5
        line = crop[:, 0, 0] if axis == 0 else crop[0, :, 1]
        # Filters are cut off at the border.
        np.testing.assert_allclose(line[2:-2], slope * places[2:-2], atol=1)


def test_mirrored_photographs_give_mirrored_crops():
    photograph = np.random.default_rng(0).integers(0, 256, (53, 98, 3), np.uint8)
    crop = central_crop(photograph, (20, 30)).astype(int)
    for flip in (np.flipud, np.fliplr):
        mirrored = central_crop(np.ascontiguousarray(flip(photograph)), (20, 30))
        np.testing.assert_allclose(flip(mirrored), crop, atol=1)


def test_a_photograph_of_the_size_comes_back_and_one_of_the_proportions_is_scaled_whole():
    photograph = np.random.default_rng(0).integers(0, 256, (45, 60, 3), np.uint8)
    np.testing.assert_array_equal(central_crop(photograph, (45, 60)), photograph)
    scaled = Image.fromarray(photograph).resize((20, 15), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(central_crop(photograph, (15, 20)), np.asarray(scaled))


def test_sizes_of_all_kinds():
    """Rounding can make the part a hair larger than the photograph."""
    rng = np.random.default_rng(0)
    for _ in range(1000):
        shape, size = rng.integers(1, 180, 2), tuple(rng.integers(1, 130, 2).tolist())
        assert central_crop(np.zeros((*shape, 3), np.uint8), size).shape == (*size, 3)
