"""Means and intervals, beside SciPy's bootstrap and loops."""

import math

import numpy as np
import pytest
from scipy import stats

from jax_inpaint.evaluation.statistics import Bootstrap, Estimate, share_bins

PICTURES = np.repeat(np.arange(100, 140), [1, 2, 3, 4] * 10)  # numbers, several rows each


def values(count, seed=0):
    return np.random.default_rng(seed).gamma(2, 3, count).astype(np.float32)


def ends(estimate):
    return np.array([estimate.low, estimate.high])


def test_the_interval_of_pictures_with_a_row_each_is_scipys():
    sample = values(60)
    found = Bootstrap(np.arange(60), draws=20_000).estimate(sample)
    expected = stats.bootstrap(
        (sample.astype(np.float64),), np.mean, n_resamples=20_000, method="percentile", rng=1
    )
    assert found.value == pytest.approx(math.fsum(sample.tolist()) / 60, rel=1e-12)
    assert (found.count, found.infinite) == (60, 0)
    # Ends of two bootstraps differ by a few hundredths of the standard error.
    np.testing.assert_allclose(
        ends(found), expected.confidence_interval, atol=0.08 * expected.standard_error
    )


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    covered = 0
    for seed in range(300):
        found = Bootstrap(np.arange(50), draws=400).estimate(values(50, seed))
        covered += found.low < 6 < found.high
    assert 0.89 < covered / 300 < 0.97


def test_pictures_with_several_rows_are_drawn_with_all_of_them():
    """By a loop over draws of whole pictures."""
    sample = values(100)
    groups = [sample[number == PICTURES].astype(np.float64) for number in range(100, 140)]
    rng = np.random.default_rng(5)
    means = []
    for _ in range(10_000):
        drawn = np.concatenate([groups[i] for i in rng.integers(40, size=40)])
        means.append(drawn.mean())
    found = Bootstrap(PICTURES, draws=10_000).estimate(sample)
    assert found.value == pytest.approx(sample.astype(np.float64).mean(), rel=1e-12)
    np.testing.assert_allclose(ends(found), np.quantile(means, [0.025, 0.975]), atol=0.05)


def test_rows_of_one_picture_that_agree_count_as_one():
    sample = values(30)
    once = Bootstrap(np.arange(30)).estimate(sample)
    several = Bootstrap(np.arange(30).repeat(8)).estimate(sample.repeat(8))
    np.testing.assert_allclose(ends(several), ends(once), rtol=1e-12)
    as_if_independent = Bootstrap(np.arange(240)).estimate(sample.repeat(8))
    assert np.ptp(ends(as_if_independent)) < 0.5 * np.ptp(ends(once))


def test_neither_numbers_nor_order_of_pictures_matter():
    sample = values(100)
    first = Bootstrap(PICTURES).estimate(sample)
    np.testing.assert_allclose(ends(Bootstrap(10 * PICTURES).estimate(sample)), ends(first))
    order = np.argsort(np.random.default_rng(0).random(100))
    mixed = Bootstrap(PICTURES[order]).estimate(sample[order])
    np.testing.assert_allclose(ends(mixed), ends(first))


def test_nan_is_left_out_and_infinite_values_are_counted():
    sample = values(40)
    spoiled = sample.copy()
    spoiled[:4] = np.nan
    spoiled[4:7] = np.inf
    found = Bootstrap(np.arange(40)).estimate(spoiled)
    assert found.value == pytest.approx(sample[7:].astype(np.float64).mean())
    assert (found.count, found.infinite) == (33, 3)
    assert found.low < found.value < found.high
    nan = math.nan
    expected = {
        np.nan: Estimate(nan, nan, nan, 0, 0),
        np.inf: Estimate(math.inf, nan, nan, 0, 40),
    }
    for value, estimate in expected.items():
        found = Bootstrap(np.arange(40)).estimate(np.full(40, value, np.float32))
        np.testing.assert_equal(vars(found), vars(estimate))


@pytest.mark.parametrize("rows", [1, 5])
def test_one_picture_has_no_interval(rows):
    found = Bootstrap(np.full(rows, 7)).estimate(values(rows))
    assert found.value == pytest.approx(values(rows).mean())
    assert np.isnan(ends(found)).all()
    # Nor have several, of which one has a figure.
    sample = np.full(rows + 3, np.nan, np.float32)
    sample[:rows] = values(rows)
    found = Bootstrap(np.array([7] * rows + [8, 9, 10])).estimate(sample)
    assert np.isnan(ends(found)).all()


def test_equal_values_have_an_interval_of_no_width():
    found = Bootstrap(np.arange(9)).estimate(np.full(9, 0.3, np.float32))
    np.testing.assert_allclose([found.value, found.low, found.high], np.float32(0.3))


def test_differences_are_of_pairs():
    first = values(50)
    second = first + np.random.default_rng(1).normal(0.1, 0.05, 50).astype(np.float32)
    bootstrap = Bootstrap(np.arange(50))
    difference = bootstrap.difference(first, second)
    assert difference.high < 0
    each = bootstrap.estimate(first), bootstrap.estimate(second)
    assert difference.value == pytest.approx(each[0].value - each[1].value, abs=1e-6)
    assert np.ptp(ends(difference)) < 0.05 * min(np.ptp(ends(one)) for one in each)
    backwards = bootstrap.difference(second, first)
    np.testing.assert_allclose(ends(backwards), -ends(difference)[::-1], rtol=1e-5)


def test_differences_are_of_rows_where_both_are_finite():
    first, second = values(12), values(12, seed=1)
    first[0], second[1], first[2], second[2] = np.nan, np.inf, np.inf, np.inf
    found = Bootstrap(np.arange(12)).difference(first, second)
    assert found.value == pytest.approx((first[3:] - second[3:]).mean(), rel=1e-5)
    assert (found.count, found.infinite) == (9, 0)


def test_shares_at_the_edges_belong_below():
    shares = np.array([0.0, 0.004, 0.01, 0.0101, 0.1, 0.35, 0.6, 0.61, 0.99])
    bins = share_bins(shares)
    assert {title: np.flatnonzero(rows).tolist() for title, rows in bins.items()} == {
        "0-1 %": [1, 2],
        "1-10 %": [3, 4],
        "30-40 %": [5],
        "50-60 %": [6],
        "60-100 %": [7, 8],
    }
    assert share_bins(np.zeros(3)) == {}


def test_every_hole_of_a_picture_is_in_one_group():
    shares = np.arange(1, 10_001) / 10_000
    counted = np.sum(list(share_bins(shares).values()), axis=0)
    np.testing.assert_array_equal(counted, 1)
