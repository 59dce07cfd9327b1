"""Ways for a fill to meet what is around the hole; they change the fill, and nothing else."""

import math
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float

Picture = Float[np.ndarray, "h w c"]


BlendKind = Literal["none", "feather", "poisson"]

BAND = 16  # pixels that feathering reaches into the hole if nothing else is said
_RIM = 2  # pixels on either side of the edge whose colours feathering compares
_ALONG = 17  # pixels of the edge over which Poisson blending takes the mean step of a fill


def blend(
    picture: Picture,
    filled: Picture,
    hole: Bool[np.ndarray, "h w"],
    kind: BlendKind,
    band: int | None = None,
) -> Picture:
    """The picture with its hole from ``filled``, as a kind of blending says.

    Args:
        picture: in [-1, 1]. Pixels in the hole aren't looked at.
        filled: the generator's whole picture. Not a composite: that doesn't differ along the edge.
        hole: True where to fill.
        kind: ``none``: as drawn; others as the functions of this name.
        band: how far, in pixels, blending reaches into the hole; None for what the kind does.
    """
    if kind == "poisson":
        return poisson_blend(picture, filled, hole, band)
    if kind == "feather":
        return feather(picture, filled, hole, BAND if band is None else band)
    return np.where(hole[..., None], filled, picture).astype(picture.dtype)


def feather(picture: Picture, filled: Picture, hole: Bool[np.ndarray, "h w"], band: int) -> Picture:
    """The picture with ``filled`` in its hole, whose colours drift towards those around the edge.

    At the edge the fill is shifted by the difference of the picture's mean just outside and its own
    just inside, near there; further in by less, and by nothing from ``band`` pixels on. A hole of
    any size takes milliseconds, and structure that doesn't meet at the edge still doesn't.

    Args:
        picture, filled, hole: as :func:`blend`.
        band: pixels, 1 or more.
    """
    result = np.where(hole[..., None], filled, picture).astype(picture.dtype)
    if not hole.any() or hole.all():
        return result
    known = (~hole).astype(np.uint8)
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    away = cv2.distanceTransform(known, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    sigma = max(2.0, band / 4)
    # So wide that every pixel of the band sees some of the rim.
    width = 2 * math.ceil(band + _RIM + 2 * sigma) + 1

    def mean_near(values: Picture, rim: np.ndarray) -> Picture:
        weight = rim.astype(np.float32)
        inside = np.where(rim[..., None], values, 0).astype(np.float32)
        near, sums = (cv2.GaussianBlur(x, (width, width), sigma) for x in (weight, inside))
        return sums / np.maximum(near, np.finfo(np.float32).tiny)[..., None]

    shift = mean_near(picture, (known > 0) & (away <= _RIM))
    shift -= mean_near(filled, hole & (depth <= _RIM))
    share = np.clip(1 - (depth - 1) / band, 0, 1)[..., None]
    result[hole] = np.clip(filled + shift * share, -1, 1)[hole]
    return result


def poisson_blend(
    picture: Picture, filled: Picture, hole: Bool[np.ndarray, "h w"], band: int | None = None
) -> Picture:
    """The picture with the gradients of ``filled`` in its hole and no step at the hole's edge.

    What is added to ``filled`` is the difference from the picture along the edge, spread over the
    hole: each hole pixel gets the mean of its neighbours'. Where the hole meets the border of the
    picture there is no edge to heed.

    Generators copy what they know well, and so their own pictures may step at the hole's edge. The
    mean of that step along 17 pixels of the edge isn't taken for one of the gradients.

    Args:
        picture: in [-1, 1]. Pixels in the hole aren't looked at.
        filled: the generator's whole picture. Not a composite: that doesn't differ along the edge.
        hole: True where to fill. The whole picture as hole is left to ``filled``.
        band: how far, in pixels, to adapt; deeper in the hole ``filled`` stays. None for all of it.

    Returns:
        An array of the picture's dtype in [-1, 1]; known pixels are the picture's, bit for bit.

    The equations are solved directly, in float64: a hole of 300x300 pixels takes a second, one of a
    million a quarter of a minute and 1.5 GB. OpenCV's ``seamlessClone`` isn't used: it solves them
    on the hole's bounding box, relying on what the picture shows inside the hole.

    Source: Pérez et al., Poisson Image Editing (2003), equation 7; as post-processing of fills,
    Iizuka et al., Globally and Locally Consistent Image Completion (2017).
    """
    # Here, since SciPy takes a while to load and few need it.
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    result = np.where(hole[..., None], filled, picture).astype(picture.dtype)
    if not hole.any() or hole.all():
        return result
    # A rim of pixels that don't exist, so that every pixel has four neighbours.
    exists = np.pad(np.ones_like(hole), 1).ravel()
    adapted = hole
    if band is not None:
        depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        adapted = hole & (depth <= band)
    inside = np.pad(adapted, 1).ravel()
    outside = np.pad(~hole, 1).ravel()
    step = np.pad(picture.astype(np.float64) - filled, ((1, 1), (1, 1), (0, 0)))
    step = step.reshape(inside.size, -1)

    positions = np.flatnonzero(inside)
    unknowns = np.arange(positions.size)
    number = np.cumsum(inside) - 1
    neighbours = positions + np.array([[-1], [1], [-hole.shape[1] - 2], [hole.shape[1] + 2]])
    degree = np.sum(exists[neighbours], axis=0)
    # What is deeper in the hole is known, too: nothing is added there.
    known = outside[neighbours]
    own = np.pad(edge_step(filled, hole), ((1, 1), (1, 1), (0, 0))).reshape(step.shape)
    adrift = step[neighbours] - own[positions]
    edge = np.sum(np.where(known[..., None], adrift, 0), axis=0)

    linked = inside[neighbours]
    rows = np.broadcast_to(unknowns, linked.shape)[linked]
    columns = number[neighbours[linked]]
    laplacian = csc_matrix(
        (
            np.concatenate([degree, np.full(rows.size, -1)]).astype(np.float64),
            (np.concatenate([unknowns, rows]), np.concatenate([unknowns, columns])),
        )
    )
    # Symmetric and diagonally dominant: no pivoting needed, which keeps the factors sparse.
    factors = splu(
        laplacian,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    result[adapted] = np.clip(filled[adapted] + factors.solve(edge), -1, 1)
    return result


def edge_step(filled: Picture, hole: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "h w c"]:
    """How much a picture rises on the way into a hole: the mean near each pixel of the edge.

    Zero where there is no edge within 8 pixels.
    """
    sums = np.zeros((*hole.shape, filled.shape[-1] + 1))
    for axis in (0, 1):
        rise = np.diff(filled.astype(np.float64), axis=axis)
        for towards, sign in ((1, 1), (0, -1)):
            # Pairs of neighbours, and which of them is in the hole.
            pair = [slice(None), slice(None)]
            pair[axis] = slice(towards, hole.shape[axis] - 1 + towards)
            enters = np.diff(hole.astype(np.int8), axis=axis) == sign
            sums[tuple(pair)] += np.where(
                enters[..., None], np.concatenate([sign * rise, np.ones_like(rise[..., :1])], -1), 0
            )
    sums = cv2.blur(sums, (_ALONG, _ALONG), borderType=cv2.BORDER_CONSTANT)
    counts = sums[..., -1:]
    return np.where(counts > 1e-9, sums[..., :-1] / np.maximum(counts, 1e-9), 0)
