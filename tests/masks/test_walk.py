import jax
import numpy as np
import pytest

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.walk import STEPS, walk, walk_mask


def one_by_one(start, steps, size):
    places, place = [], np.array(start)
    for step in steps.reshape(-1, 2):
        place = np.clip(place + step, 0, np.array(size) - 1)
        places.append(place)
    return np.array(places).reshape(steps.shape)


@pytest.mark.parametrize(
    ("size", "shape"), [((8, 8), (8, 8)), ((5, 9), (40, 7)), ((3, 200), (6, 300)), ((1, 1), (4, 4))]
)
def test_the_parallel_walk_is_the_walk_one_step_after_the_other(size, shape):
    rng = np.random.default_rng(0)
    for seed in range(5):
        steps = np.array(STEPS)[rng.integers(0, 4, shape)].astype(np.int32)
        start = np.array([seed % size[0], seed % size[1]], np.int32)
        places = jax.jit(walk, static_argnums=2)(start, steps, size)
        np.testing.assert_array_equal(places, one_by_one(start, steps, size))


def test_it_also_holds_for_strides_longer_than_the_image():
    steps = np.random.default_rng(0).integers(-9, 10, (20, 30, 2)).astype(np.int32)
    places = jax.jit(walk, static_argnums=2)(np.array([2, 3], np.int32), steps, (4, 6))
    np.testing.assert_array_equal(places, one_by_one((2, 3), steps, (4, 6)))


def published(rng, height, width):
    """generate_data.py of the port: height * width steps from anywhere."""
    row, column = rng.integers(height), rng.integers(width)
    mask = np.zeros((height, width))
    for step in np.array([[0, 1], [0, -1], [1, 0], [-1, 0]])[rng.integers(0, 4, height * width)]:
        row = min(max(row + step[0], 0), height - 1)
        column = min(max(column + step[1], 0), width - 1)
        mask[row, column] = 1
    return mask


@pytest.mark.parametrize("size", [(48, 48), (24, 64)])
def test_coverage_is_distributed_as_published(size):
    keys = jax.random.split(jax.random.key(0), 300)
    masks = jax.jit(jax.vmap(lambda key: walk_mask(key, *size, MaskConfig())))(keys)
    ours = np.asarray(masks).mean(axis=(1, 2, 3))
    rng = np.random.default_rng(0)
    theirs = np.array([published(rng, *size).mean() for _ in range(300)])
    chance = np.hypot(ours.std(), theirs.std()) / np.sqrt(300)
    assert abs(ours.mean() - theirs.mean()) < 4 * chance
    assert abs(ours.std() / theirs.std() - 1) < 0.25
    # Walks start anywhere: every part is reached, the middle of the image most often.
    assert np.asarray(masks).max(axis=0).all()


def test_a_walk_is_in_one_piece():
    from skimage.measure import label

    keys = jax.random.split(jax.random.key(1), 20)
    masks = jax.jit(jax.vmap(lambda key: walk_mask(key, 32, 40, MaskConfig())))(keys)
    assert all(label(mask, connectivity=1).max() == 1 for mask in np.asarray(masks)[..., 0])
