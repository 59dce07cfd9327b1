"""What anyone can do without a network: one picture filled by a classical method.

No ``fill_*`` sees the hole's own pixels or changes any others. A hole that is the whole picture is
filled with mid-grey by all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from skimage.restoration import inpaint_biharmonic

from jax_inpaint.errors import UserError

BaselineName = Literal["mean-color", "telea", "navier-stokes", "biharmonic", "patchmatch"]

_RADIUS = 3  # pixels: OpenCV's neighbourhood, and PatchMatch's patches are 7x7
_GREY = 128


class BaselineError(UserError):
    """A baseline that can't be used; the message says what is missing."""


@dataclass(frozen=True)
class Baseline:
    """A way to fill without a network."""

    fill: Callable[[np.ndarray, np.ndarray], np.ndarray]  # picture, hole (True) -> filled picture
    title: str  # in tables
    source: str


def fill_mean_color(
    picture: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The mean colour of the known pixels, rounded."""
    known = picture[~hole]
    filled = picture.copy()
    filled[hole] = np.rint(known.mean(axis=0)).astype(np.uint8) if known.size else _GREY
    return filled


def fill_telea(
    picture: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """OpenCV's fast marching inpainting; up to a few levels off even on a constant picture."""
    return _fill_opencv(picture, hole, cv2.INPAINT_TELEA)


def fill_navier_stokes(
    picture: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """OpenCV's inpainting along isophotes."""
    return _fill_opencv(picture, hole, cv2.INPAINT_NS)


def fill_biharmonic(
    picture: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """scikit-image's biharmonic surface, within the range of the known pixels, rounded.

    At 512x512 with 60 % missing it takes 2 to 5 s and up to 0.8 GB.
    """

    def surface(picture: np.ndarray) -> np.ndarray:
        # Solving region by region has the same result and isn't faster.
        values = inpaint_biharmonic(picture, hole, split_into_regions=False, channel_axis=-1)
        return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)

    return _fill(picture, hole, surface)


def fill_patchmatch(
    picture: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Patches of the known pixels, found and blended by PyPatchMatch; the same at every call.

    Raises BaselineError without the extra ``patchmatch``.
    """
    patchmatch = import_patchmatch()
    patchmatch.set_random_seed(0)  # it is the library's, and someone else may have set another
    return _fill(picture, hole, lambda seen: patchmatch.inpaint(seen, hole, patch_size=_RADIUS))


def import_patchmatch() -> Any:
    """PyPatchMatch, or a BaselineError that says how to get it."""
    try:
        import patchmatch
    except ImportError as error:
        raise BaselineError(
            "PatchMatch needs PyPatchMatch, which isn't installed; "
            "pip install 'jax_inpaint[patchmatch]' brings it"
        ) from error
    if not patchmatch.patchmatch_available:  # no wheel for this platform, and its build failed
        raise BaselineError(
            "PyPatchMatch is installed without its native library; install a C++ compiler, CMake "
            "and OpenCV's development files, then reinstall it with --no-cache-dir"
        )
    return patchmatch


def _fill_opencv(picture: np.ndarray, hole: np.ndarray, method: int) -> np.ndarray:
    mask = hole.astype(np.uint8)
    return _fill(picture, hole, lambda seen: cv2.inpaint(seen, mask, _RADIUS, method))


def _fill(
    picture: np.ndarray, hole: np.ndarray, method: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """The hole as filled by a method that sees the mean colour in it."""
    # OpenCV reads pixels of the hole where it comes near the picture's edge.
    seen = fill_mean_color(picture, hole)
    if hole.all() or not hole.any():
        return seen
    return np.where(hole[..., None], method(seen), picture)


BASELINES: dict[BaselineName, Baseline] = {
    "mean-color": Baseline(fill_mean_color, "mean colour", "the mean of the known pixels"),
    "telea": Baseline(
        fill_telea,
        "OpenCV Telea",
        "Telea, An Image Inpainting Technique Based on the Fast Marching Method (2004)",
    ),
    "navier-stokes": Baseline(
        fill_navier_stokes,
        "OpenCV Navier-Stokes",
        "Bertalmio et al., Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting (2001)",
    ),
    "biharmonic": Baseline(
        fill_biharmonic,
        "scikit-image biharmonic",
        "Damelin and Hoang, On Surface Completion and Image Inpainting by Biharmonic Functions: "
        "Numerical Aspects (2018)",
    ),
    "patchmatch": Baseline(
        fill_patchmatch,
        "PyPatchMatch",
        "Barnes et al., PatchMatch: A Randomized Correspondence Algorithm for Structural Image "
        "Editing (2009)",
    ),
}
