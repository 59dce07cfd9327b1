"""Means over a data set, the same however it is cut into batches and shared among hosts."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Mean:
    """The sum and number of a figure's values; infinite ones are counted apart.

    Means add up: ``sum(means, Mean())``. Values are float32 and sums float64, so that the order
    makes no difference for figures of usual size.

    Attributes:
        total: of the finite values.
        count: of them.
        infinite: how many are infinite, such as the PSNR of equal images. NaN, such as a figure of
            a hole that there isn't, is left out altogether.

    Example:
        >>> first = Mean.of(np.array([20.0, np.inf]))
        >>> second = Mean.of(np.array([30.0, 99.0]), np.array([True, False]))
        >>> (first + second).value, (first + second).infinite
        (25.0, 1)
    """

    total: float = 0.0
    count: int = 0
    infinite: int = 0

    @classmethod
    def of(
        cls, values: Float[np.ndarray, " b"], real: Bool[np.ndarray, " b"] | None = None
    ) -> "Mean":
        """Of a batch; ``real`` is False for images that only fill it up."""
        counted = ~np.isnan(values) if real is None else real & ~np.isnan(values)
        finite = values[counted & np.isfinite(values)].astype(np.float64)
        return cls(float(finite.sum()), len(finite), int(counted.sum()) - len(finite))

    def __add__(self, other: "Mean") -> "Mean":
        return Mean(
            self.total + other.total, self.count + other.count, self.infinite + other.infinite
        )

    @property
    def value(self) -> float:
        """The mean of the finite values; infinite if there are only infinite ones, NaN if none."""
        if self.count:
            return self.total / self.count
        return math.inf if self.infinite else math.nan
