import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks import sample_masks
from jax_inpaint.masks.sampling import _fit

HEIGHT, WIDTH = 32, 48


@cache
def compiled(config):
    """Draws a batch of eight from the seed and the number of the first."""

    @jax.jit
    def draw(seed, first):
        return sample_masks(jax.random.key(seed), 8, HEIGHT, WIDTH, config, first)

    return lambda seed, first=0: np.asarray(draw(seed, first))


# Bounds of coverage.


@pytest.mark.parametrize(
    ("kind", "coverage"),
    [
        ("irregular", (0.15, 0.65)),
        ("box", (0.5, 0.6)),  # a box is a quarter of the image at most
        ("scratches", (0.6, 0.9)),
        ("thick", (0.0, 0.01)),
        ("boxes", (0.30, 0.301)),
    ],
)
def test_coverage_is_within_its_bounds_for_any_key(kind, coverage):
    draw = compiled(MaskConfig(kind=kind, coverage=coverage))
    masks = np.concatenate([draw(seed) for seed in range(8)])
    assert set(np.unique(masks)) <= {0, 1}
    covered = masks.sum(axis=(1, 2, 3))
    assert covered.min() >= max(1, coverage[0] * HEIGHT * WIDTH)
    assert covered.max() <= coverage[1] * HEIGHT * WIDTH


def test_bounds_that_fit_leave_masks_as_they_were_drawn():
    bounds = (0.15, 0.6)
    bounded = compiled(MaskConfig(kind="boxes", coverage=bounds))
    free = compiled(MaskConfig(kind="boxes"))
    ours = np.concatenate([bounded(seed) for seed in range(40)]).mean(axis=(1, 2, 3))
    drawn = np.concatenate([free(seed) for seed in range(60)]).mean(axis=(1, 2, 3))
    drawn = drawn[(drawn >= bounds[0]) & (drawn <= bounds[1])]
    chance = math.hypot(ours.std() / math.sqrt(len(ours)), drawn.std() / math.sqrt(len(drawn)))
    assert abs(ours.mean() - drawn.mean()) < 4 * chance
    assert abs(ours.std() / drawn.std() - 1) < 0.25


def test_the_last_resort_adds_or_removes_no_more_than_it_must():
    fit = jax.jit(_fit, static_argnums=(1, 2))
    mask = jax.random.bernoulli(jax.random.key(0), 0.3, (10, 12, 1)).astype(jnp.float32)
    size = int(mask.sum())
    assert fit(mask, size + 7, 120).sum() == size + 7
    assert fit(mask, 1, size - 7).sum() == size - 7
    np.testing.assert_array_equal(fit(mask, size - 3, size + 3), mask)
    # From the top: what is further down stays as it is.
    grown = np.asarray(fit(mask, size + 7, 120))
    changed = np.flatnonzero(grown != mask)
    assert np.all(grown.ravel()[: changed.max()] == 1)


# Mixtures.


def test_a_mixture_draws_each_kind_as_often_as_its_weight_says():
    # Which kind a mask is of can be seen from its coverage.
    pairs = (("box", 3.0), ("scratches", 1.0))
    config = MaskConfig(kind="mixture", mixture=pairs, coverage=(0.001, 0.9))
    masks = np.concatenate([compiled(config)(seed) for seed in range(60)])[..., 0] > 0
    rows, columns = masks.any(axis=2).sum(axis=1), masks.any(axis=1).sum(axis=1)
    boxes = np.mean(masks.sum(axis=(1, 2)) == rows * columns)
    assert abs(boxes - 0.75) < 4.5 * math.sqrt(0.75 * 0.25 / len(masks))


def test_bounds_dont_change_the_shares_of_a_mixture():
    # Half of the boxes are too small, and none of the bands are.
    pairs = (("outpainting", 1.0), ("boxes", 1.0))
    config = MaskConfig(kind="mixture", mixture=pairs, coverage=(0.25, 0.6))
    masks = np.concatenate([compiled(config)(seed) for seed in range(40)])[..., 0] > 0
    # A band reaches all along a side of the image; boxes hardly ever do.
    bands = [m[0].all() or m[-1].all() or m[:, 0].all() or m[:, -1].all() for m in masks]
    assert abs(np.mean(bands) - 0.5) < 4.5 * math.sqrt(0.25 / len(masks))
