"""Section data."""

import math
from dataclasses import dataclass
from typing import Literal

from jax_inpaint.config.values import TALLEST, require


@dataclass(frozen=True)
class DataConfig:
    """Where images come from, how they are cropped, and what is changed about them."""

    source: str = "photographs"  # photographs | tfds:NAME | folder:PATH
    validation_source: str = ""  # another source to validate on; empty: split the source itself
    train_split: str = "train"  # split of a tfds source to train on
    validation_split: str = "validation"  # split of a tfds source to validate on
    validation_percent: float = 2.0  # share of a single folder that validates, by hash of the name
    directory: str = ""  # where tfds data sets are; empty: TFDS's own default
    size: tuple[int, int] = (256, 256)  # height and width of training images, multiples of 8
    crop: Literal["random", "resize"] = "random"  # random resized crop, or the whole image squeezed
    min_area: float = 0.25  # smallest share of the largest crop that a random one covers
    flip: bool = True  # mirror half of the images
    rotation: float = 0.0  # random crops are turned by up to this angle to either side, degrees
    stretch: float = 0.0  # proportions change by up to a factor of 1 + this; 0.33 is usual
    color_jitter: float = 0.0  # random hue, saturation, contrast, brightness: 0 none, 1 any hue
    blur: float = 0.0  # share of images that are blurred
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # least and most of their blur, pixels
    smallest_side: int = 32  # images with a shorter side are skipped, pixels
    bad_percent: float = 1.0  # most unreadable images (or masks) before the run stops, per cent
    timeout: float = 300.0  # seconds that reading one image may take before the run stops
    threads: int = 4  # threads that read and decode, per process (or per worker)
    workers: int = 0  # worker processes; 0: threads of the main process suffice

    def __post_init__(self) -> None:
        for side in self.size:
            fits = 8 <= side <= TALLEST and side % 8 == 0
            require(fits, "data.size", self.size, f"multiples of 8 up to {TALLEST}")
        require(0 < self.min_area <= 1, "data.min_area", self.min_area, "in (0, 1]")
        require(
            0 < self.validation_percent < 100,
            "data.validation_percent",
            self.validation_percent,
            "in (0, 100)",
        )
        require(0 <= self.rotation <= 180, "data.rotation", self.rotation, "in [0, 180]")
        require(0 <= self.stretch < math.inf, "data.stretch", self.stretch, ">= 0, finite")
        require(
            self.crop == "random" or not (self.rotation or self.stretch),
            "data.crop",
            self.crop,
            "random with data.rotation or data.stretch",
        )
        require(0 <= self.color_jitter <= 1, "data.color_jitter", self.color_jitter, "in [0, 1]")
        require(0 <= self.blur <= 1, "data.blur", self.blur, "in [0, 1]")
        least, most = self.blur_sigma
        require(
            0 < least <= most < math.inf, "data.blur_sigma", self.blur_sigma, "0 < least <= most"
        )
        require(0 <= self.bad_percent <= 100, "data.bad_percent", self.bad_percent, "in [0, 100]")
        require(0 < self.timeout < math.inf, "data.timeout", self.timeout, "> 0, finite")
        require(self.threads >= 1, "data.threads", self.threads, ">= 1")
        require(self.workers >= 0, "data.workers", self.workers, ">= 0")
