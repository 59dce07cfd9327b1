"""Distances between sets of pictures, from features of a network; float64 on the host.

FID, KID, P-IDS and U-IDS are names of these on features of one network, Inception-v3 as published
with FID. On features of another they are something else, and shouldn't be called so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

Features = Float[np.ndarray, "n d"]

BLOCK = 1024  # pictures whose pairs are worked out at once


@dataclass(frozen=True)
class Moments:
    """Number, sum, and sum of outer products of features; those of parts of a set add up.

    Example:
        >>> moments = Moments.of(np.eye(3)) + Moments.of(np.ones((1, 3)))
        >>> moments.count, moments.mean.tolist()
        (4, [0.5, 0.5, 0.5])
    """

    count: int
    total: Float[np.ndarray, " d"]
    products: Float[np.ndarray, "d d"]

    @classmethod
    def of(cls, features: Features) -> "Moments":
        """Of some features."""
        values = np.asarray(features, np.float64)
        return cls(len(values), values.sum(axis=0), values.T @ values)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.count + other.count, self.total + other.total, self.products + other.products
        )

    @property
    def mean(self) -> Float[np.ndarray, " d"]:
        """Of the features."""
        return self.total / self.count

    @property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """Of the features, with the count less one in the denominator."""
        centred = self.products - self.count * np.outer(self.mean, self.mean)
        return centred / (self.count - 1)


def frechet_distance(first: Moments, second: Moments) -> float:
    """Squared Fréchet distance of two normal distributions with these moments; FID's formula.

    The trace of the root of the covariances' product is the sum of the roots of its eigenvalues,
    which are those of a symmetric matrix; so no root of a matrix that isn't symmetric is needed.

    Raises:
        ValueError: if a set has fewer than two members.

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule (2017).
    """
    if min(first.count, second.count) < 2:
        raise ValueError(
            f"the distance needs two pictures or more on each side, got {first.count} and "
            f"{second.count}"
        )
    values, vectors = np.linalg.eigh(first.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    product = np.linalg.eigvalsh(root @ second.covariance @ root)
    difference = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(difference @ difference + traces - 2 * np.sqrt(np.maximum(product, 0)).sum())


def kernel_distance(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "m d"]) -> float:
    """Squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, unbiased; KID's formula.

    It may be a little below 0.

    Raises:
        ValueError: if a set has fewer than two members.

    Source: Binkowski et al., Demystifying MMD GANs (2018).
    """
    x, y = (np.asarray(features, np.float64) for features in (first, second))
    if min(len(x), len(y)) < 2:
        raise ValueError(
            f"the distance needs two pictures or more on each side, got {len(x)} and {len(y)}"
        )

    def total(a: np.ndarray, b: np.ndarray) -> float:
        """Sum over all pairs, in blocks: tens of thousands of pictures have a billion pairs."""
        starts = range(0, len(a), BLOCK)
        return float(sum(((a[i : i + BLOCK] @ b.T / a.shape[1] + 1) ** 3).sum() for i in starts))

    def within(a: np.ndarray) -> float:
        of_themselves = ((np.einsum("nd,nd->n", a, a) / a.shape[1] + 1) ** 3).sum()
        return (total(a, a) - of_themselves) / (len(a) * (len(a) - 1))

    return float(within(x) + within(y) - 2 * total(x, y) / (len(x) * len(y)))


def inception_discriminative_scores(
    real: Float[np.ndarray, "n d"], filled: Float[np.ndarray, "m d"]
) -> tuple[float, float]:
    """P-IDS and U-IDS: how well a linear SVM can be fooled; both in [0, 1], larger is better.

    The SVM learns to tell photographs from fills by their features. P-IDS is the share of pairs
    where the fill looks more real to it than its own photograph; U-IDS the share of pictures that
    it takes for the other kind.

    Args:
        real: features of photographs.
        filled: of their fills, in the same order.

    Raises:
        ValueError: if there aren't as many, or none.

    Source: Zhao et al., Large Scale Image Completion via Co-Modulated GANs (2021), whose code uses
    scikit-learn's ``LinearSVC(dual=False)``; the same objective is minimised here.
    """
    if real.shape != filled.shape or not len(real):
        raise ValueError(f"features must be of pairs, got shapes {real.shape} and {filled.shape}")
    features = np.concatenate([filled, real]).astype(np.float64)
    signs = np.repeat([-1.0, 1.0], len(real))
    weights = linear_svm(features, signs)
    decisions = features @ weights[:-1] + weights[-1]
    fills, photographs = decisions[: len(real)], decisions[len(real) :]
    wrong = (fills > 0).sum() + (photographs <= 0).sum()
    return float((fills > photographs).mean()), float(wrong / len(decisions))


def linear_svm(
    features: Features, signs: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " d_plus_1"]:
    """Weights and, last, the offset of the linear SVM with squared hinge loss and C = 1.

    The offset is regularised as well, as liblinear does.

    Args:
        features: of all.
        signs: 1 or -1, the kind of each.
    """
    inputs = np.concatenate([features, np.ones((len(features), 1))], axis=1)

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        slack = np.maximum(1 - signs * (inputs @ weights), 0)
        value = 0.5 * weights @ weights + slack @ slack
        return value, weights - 2 * inputs.T @ (signs * slack)

    start = np.zeros(inputs.shape[1])
    options = {"maxiter": 10_000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-8}
    return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
