"""Masks as people have them, as holes: bool (H, W), True where to fill."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool

from jax_inpaint.images.annotations import read_annotations
from jax_inpaint.images.picture import Picture
from jax_inpaint.images.reading import ImageFileError, read_picture


@dataclass(frozen=True)
class MaskOptions:
    """What in a mask's picture is the hole; ``invert`` applies to JSON files, too."""

    mask_channel: Literal["brightness", "alpha"] = "brightness"  # what of a pixel counts
    mask_threshold: float = 0.5  # in [0, 1]; what is brighter, or more opaque, is the hole
    mask_color: str | None = None  # #rrggbb; pixels of nearly this colour are the hole instead
    mask_tolerance: float = 0.1  # in [0, 1]; how far each channel may be off that colour
    invert: bool = False  # fill what would be kept and keep the rest: for black holes on white

    def __post_init__(self) -> None:
        for name in ("mask_threshold", "mask_tolerance"):
            if not 0 <= getattr(self, name) <= 1:
                raise ImageFileError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if self.mask_color is not None and not re.fullmatch("#[0-9a-fA-F]{6}", self.mask_color):
            raise ImageFileError(f"mask_color must be like #ff0000, got {self.mask_color!r}")


def read_hole(
    path: str | os.PathLike[str],
    options: MaskOptions | None = None,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> Bool[np.ndarray, "h w"]:
    """A mask file as a hole; without options, what is brighter than mid-grey.

    Args:
        path: a picture, or polygons and boxes in the JSON of LabelMe or COCO.
        options: what in it is the hole.
        size: of the picture to fill, height and width; JSON files need it.
        name: the file of the picture to fill, for a COCO file of many.

    Raises:
        ImageFileError: if the file can't be read.
    """
    options = options or MaskOptions()
    if Path(path).suffix.lower() == ".json":
        if size is None:
            raise ImageFileError(f"{path}: polygons need a picture to be drawn on")
        inside = read_annotations(path, size, name)
        return ~inside if options.invert else inside
    return hole_of(read_picture(path, metadata=False), options)


def hole_of(mask: Picture, options: MaskOptions) -> Bool[np.ndarray, "h w"]:
    """The hole that a mask's picture shows."""
    if options.mask_color is not None:
        hole, colours = np.ones(mask.size, bool), mask.colours()
        # Channel by channel: all of them as floats would take several times a large mask's memory.
        for channel, begin in enumerate((1, 3, 5)):
            value = int(options.mask_color[begin : begin + 2], 16) / 255 * mask.top
            own = colours[..., channel % colours.shape[-1]].astype(np.float32)
            hole &= np.abs(own - value) <= (options.mask_tolerance + 1e-6) * mask.top
    elif options.mask_channel == "alpha":
        if not mask.mode.endswith("A"):
            raise ImageFileError(f"the mask has no alpha channel: it is {mask.mode}")
        hole = mask.pixels[..., -1] > options.mask_threshold * mask.top
    else:
        colours = mask.colours()
        brightest = colours.shape[-1] * mask.top
        hole = colours.sum(axis=-1, dtype=np.float32) > options.mask_threshold * brightest
    return ~hole if options.invert else hole


def grow_hole(hole: Bool[np.ndarray, "h w"], pixels: int) -> Bool[np.ndarray, "h w"]:
    """All that is at most so many pixels away from the hole.

    Negative numbers shrink it: what is at most so far away from a known pixel is known then. What
    lies beyond the picture is neither.
    """
    if pixels == 0 or hole.all() or not hole.any():
        return hole
    if pixels < 0:
        return ~grow_hole(~hole, -pixels)
    away = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away <= pixels
