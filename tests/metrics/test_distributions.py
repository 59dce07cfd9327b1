import doctest

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.svm import LinearSVC
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from jax_inpaint.metrics import distributions
from jax_inpaint.metrics.distributions import (
    Moments,
    frechet_distance,
    inception_discriminative_scores,
    kernel_distance,
    linear_svm,
)


def features(count=60, size=12, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(size, size))
    return (rng.normal(size=(count, size)) @ mixing + shift).astype(np.float32)


def test_moments_of_parts_add_up():
    values = features()
    parts = sum((Moments.of(values[i : i + 7]) for i in range(7, 60, 7)), Moments.of(values[:7]))
    np.testing.assert_allclose(parts.mean, values.mean(axis=0), rtol=1e-5, atol=1e-6)
    expected = np.cov(values.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(parts.covariance, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("count", [60, 8])  # 8: fewer than dimensions, so singular
def test_the_frechet_distance_with_the_root_of_the_product(count):
    x, y = features(count), features(count, seed=1, shift=0.5)
    a, b = np.cov(x.astype(np.float64), rowvar=False), np.cov(y.astype(np.float64), rowvar=False)
    difference = x.mean(axis=0, dtype=np.float64) - y.mean(axis=0, dtype=np.float64)
    # A little on the diagonal, since roots of singular matrices aren't found exactly.
    little = 1e-10 * np.eye(12)
    root = np.real(sqrtm((a + little) @ (b + little)))
    expected = difference @ difference + np.trace(a) + np.trace(b) - 2 * np.trace(root)
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-4)


def test_the_frechet_distance_of_equal_sets_and_of_a_shift():
    x = features()
    assert frechet_distance(Moments.of(x), Moments.of(x)) == pytest.approx(0, abs=1e-6)
    shifted = Moments.of(x.astype(np.float64) + 2)
    assert frechet_distance(Moments.of(x), shifted) == pytest.approx(12 * 4, rel=1e-9)


def test_the_kernel_distance_by_pairs():
    x, y = features(9), features(7, seed=1, shift=0.3)

    def mean(a, b, same):
        values = [
            (float(p.astype(float) @ q.astype(float)) / 12 + 1) ** 3
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (same and i == j)
        ]
        return np.mean(values)

    expected = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-9)


class Given(torch.nn.Module):
    """For torchmetrics: pictures that are their own features."""

    num_features = 12

    def forward(self, x):
        return x


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save all")
def test_torchmetrics_agrees(monkeypatch):
    x, y = features(50), features(40, seed=1, shift=0.3)
    frechet = FrechetInceptionDistance(Given())
    kernel = KernelInceptionDistance(Given(), subsets=1, subset_size=40)
    for metric, real in ((frechet, x), (kernel, x[:40])):
        metric.update(torch.tensor(real), real=True)
        metric.update(torch.tensor(y), real=False)
    expected = float(frechet.compute())
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-4)
    expected = float(kernel.compute()[0])
    assert kernel_distance(x[:40], y) == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(distributions, "BLOCK", 7)
    assert kernel_distance(x[:40], y) == pytest.approx(expected, rel=1e-4)


def test_too_few_pictures():
    one, two = features(1), features(2)
    for measure in (
        lambda: frechet_distance(Moments.of(one), Moments.of(two)),
        lambda: kernel_distance(two, one),
    ):
        with pytest.raises(ValueError, match="needs two pictures or more on each side, got"):
            measure()
    with pytest.raises(ValueError, match=r"of pairs, got shapes \(1, 12\) and \(2, 12\)"):
        inception_discriminative_scores(one, two)


def test_the_svm_is_at_its_minimum():
    x = np.concatenate([features(), features(seed=1, shift=0.4)]).astype(np.float64)
    signs = np.repeat([-1.0, 1.0], 60)

    def objective(weights):
        slack = np.maximum(1 - signs * (x @ weights[:-1] + weights[-1]), 0)
        return 0.5 * weights @ weights + (slack**2).sum()

    found = linear_svm(x, signs)
    for step in 1e-3 * np.random.default_rng(0).normal(size=(200, 13)):
        assert objective(found + step) > objective(found)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_scikit_learns_svm_gives_the_same_scores(shift):
    real, filled = features(300, size=20), features(300, size=20, seed=1, shift=shift)
    svm = LinearSVC(dual=False, tol=1e-10)
    x, kinds = np.concatenate([filled, real]), np.repeat([0, 1], 300)
    svm.fit(x.astype(np.float64), kinds)
    weights = linear_svm(x, 2.0 * kinds - 1)
    np.testing.assert_allclose(weights[:-1], svm.coef_[0], atol=1e-5)
    np.testing.assert_allclose(weights[-1], svm.intercept_[0], atol=1e-5)
    fills, photographs = np.split(svm.decision_function(x.astype(np.float64)), 2)
    expected = (fills > photographs).mean(), 1 - svm.score(x.astype(np.float64), kinds)
    assert inception_discriminative_scores(real, filled) == pytest.approx(expected, abs=1e-12)


def test_scores_of_pictures_that_can_and_that_cannot_be_told_apart():
    real = features(200)
    p_ids, u_ids = inception_discriminative_scores(real, features(200, seed=1, shift=50.0))
    assert (p_ids, u_ids) == (0, 0)
    p_ids, u_ids = inception_discriminative_scores(real, features(200, seed=2))
    assert 0.3 < p_ids < 0.6
    assert 0.3 < u_ids < 0.6
    # A fill that is its photograph doesn't look more real than it.
    assert inception_discriminative_scores(real, real)[0] == 0


def test_the_example():
    failed, tried = doctest.testmod(distributions)
    assert (failed, tried > 0) == (0, True)
