"""Section masks."""

import math
from dataclasses import dataclass
from typing import Literal

from jax_inpaint.config.values import require

DrawnKind = Literal[
    "union",  # box and brush together: DeepFillv2's
    "brush",
    "box",
    "boxes",  # several
    "thin",  # LaMa's, as its test sets
    "medium",
    "thick",
    "wide",  # LaMa's, as it trains
    "irregular",  # mmagic's
    "walk",  # a random walk: that of a port of partial convolutions
    "scratches",
    "fragments",  # torn off at the border
    "graffiti",
    "text",
    "outpainting",  # bands along the border
    "center",  # a box of half the sides in the middle
]


@dataclass(frozen=True)
class MaskConfig:
    """Random holes. Sizes in pixels are those of an image with sides of ``reference_size``."""

    kind: Literal[DrawnKind, "mixture", "folder"] = "union"  # what the holes look like
    mixture: tuple[tuple[DrawnKind, float], ...] = ()  # kinds and weights, for kind mixture
    folder: str = ""  # pictures whose bright parts are holes, for kind folder
    coverage: tuple[float, float] = (0.0, 1.0)  # least and most of the image; not of a folder's
    per_image: bool = True  # a mask for every image; False shares one in the batch, as official
    reference_size: int = 256  # all sizes scale with the image's side / this; 0: never scale
    strokes: tuple[int, int] = (1, 3)  # fewest and most brush strokes
    vertices: tuple[int, int] = (4, 11)  # fewest and most segments of a stroke
    brush_width: tuple[float, float] = (12.0, 40.0)  # thinnest and thickest (exclusive), pixels
    box_size: tuple[int, int] = (128, 128)  # height and width of the box before jitter, pixels
    box_margin: int = 0  # smallest distance of the box from the border, pixels
    box_jitter: int = 32  # a side loses up to this much, pixels

    def __post_init__(self) -> None:
        for name in ("strokes", "vertices", "brush_width"):
            low, high = getattr(self, name)
            require(0 < low <= high, f"masks.{name}", (low, high), "0 < least <= most")
        require(min(self.box_size) > 0, "masks.box_size", self.box_size, "positive")
        require(
            0 <= self.box_jitter < min(self.box_size),
            "masks.box_jitter",
            self.box_jitter,
            "at least 0 and smaller than the box",
        )
        require(self.box_margin >= 0, "masks.box_margin", self.box_margin, ">= 0")
        require(self.reference_size >= 0, "masks.reference_size", self.reference_size, ">= 0")
        least, most = self.coverage
        require(0 <= least < most <= 1, "masks.coverage", self.coverage, "0 <= least < most <= 1")
        require(
            all(0 < weight < math.inf for _, weight in self.mixture)
            and (self.kind != "mixture" or bool(self.mixture)),
            "masks.mixture",
            self.mixture,
            "kinds with positive weights, such as thick 1 boxes 0.5",
        )
        require(
            self.kind != "folder" or bool(self.folder), "masks.folder", "nothing", "a folder's path"
        )
