"""Section sketch."""

import math
from dataclasses import dataclass

from jax_inpaint.config.values import require


@dataclass(frozen=True)
class SketchConfig:
    """What a generator with a sketch channel learns to follow: Canny edges of the photographs."""

    sigma: float = 2.0  # deviation of the blur before, pixels; larger ones leave out finer lines
    low: float = 0.1  # least gradient of a line; a sharp step from black to white has 4
    high: float = 0.2  # gradient that a line must reach somewhere
    left_out: float = 0.0  # share of images without a sketch, so that filling without one is learnt

    def __post_init__(self) -> None:
        require(0 < self.sigma < math.inf, "sketch.sigma", self.sigma, "positive, finite")
        levels = (self.low, self.high)
        require(0 < self.low <= self.high, "sketch.low and sketch.high", levels, "0 < low <= high")
        require(0 <= self.left_out <= 1, "sketch.left_out", self.left_out, "in [0, 1]")
