"""Means with intervals, and differences between methods, from the records of pictures."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_inpaint.metrics.totals import Mean

LEVEL = 0.95  # of intervals
# Shares of the picture that holes are grouped by, as in the tables of partial convolutions.
BINS = (0.0, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval.

    Attributes:
        value: the mean of finite values; infinite if there are only infinite ones, NaN if none.
        low, high: ends of the interval in which, in 95 of 100 draws of other pictures, the mean
            would lie; NaN if it can't be told.
        count: how many values are finite.
        infinite: how many are infinite, such as the PSNR of equal pictures.
    """

    value: float
    low: float
    high: float
    count: int
    infinite: int


class Bootstrap:
    """Percentile intervals from pictures drawn anew, the same ones for all figures and methods.

    A picture that comes in several rows (with several holes) is drawn with all of them.

    Args:
        pictures: the number of the picture of each row.
        draws: how often all are drawn.
        seed: of the draws.

    Source: Efron, Bootstrap Methods: Another Look at the Jackknife (1979).
    """

    def __init__(self, pictures: Int[np.ndarray, " n"], draws: int = 1000, seed: int = 0):
        numbers, self._rows = np.unique(pictures, return_inverse=True)
        self._pictures = len(numbers)
        rng = np.random.default_rng(seed)
        even = np.full(self._pictures, 1 / max(self._pictures, 1))
        self._weights = rng.multinomial(self._pictures, even, draws).astype(np.float64)

    def estimate(self, values: Float[np.ndarray, " n"]) -> Estimate:
        """The mean of values, one a row; those that are NaN don't count."""
        mean = Mean.of(values)
        finite = np.isfinite(values)
        # Of each picture, the sum and number of its rows.
        rows, kept = self._rows[finite], values[finite].astype(np.float64)
        totals = np.bincount(rows, kept, self._pictures)
        counts = np.bincount(rows, minlength=self._pictures).astype(np.float64)
        low = high = math.nan
        if np.count_nonzero(counts) > 1:
            drawn = self._weights @ counts
            means = (self._weights @ totals)[drawn > 0] / drawn[drawn > 0]
            low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(mean.value, float(low), float(high), mean.count, mean.infinite)

    def difference(
        self, first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]
    ) -> Estimate:
        """The mean of ``first - second`` over rows in which both are finite."""
        both = np.isfinite(first) & np.isfinite(second)
        return self.estimate(np.where(both, first, np.nan) - np.where(both, second, np.nan))


def share_bins(
    shares: Float[np.ndarray, " n"], edges: Sequence[float] = BINS
) -> dict[str, Bool[np.ndarray, " n"]]:
    """Rows by the hole's share of the picture, titled such as ``10-20 %``; empty bins left out."""
    found: dict[str, Bool[np.ndarray, " n"]] = {}
    for low, high in itertools.pairwise(edges):
        rows = (shares > low) & (shares <= high)
        if rows.any():
            found[f"{100 * low:g}-{100 * high:g} %"] = rows
    return found
