"""What a visitor of the page has done: versions of a picture, and what is painted on them."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool

from jax_inpaint.images import ImageFileError, Picture, picture_size, read_picture
from jax_inpaint.inference.strategies import fitting

SHOWN = 1024  # longest side, pixels, of what a browser gets to see and to paint on
REMEMBERED = 12  # versions, if they have no more than
MOST_BYTES = 2**30  # of memory

Mask = Bool[np.ndarray, "_ _"]


@dataclass(frozen=True)
class Version:
    """A picture, and what is painted on it, both in its own size.

    Attributes:
        picture: as opened or as filled.
        hole: where to fill next.
        sketch: lines to follow there.
        before: what it was filled from, with the hole that was filled.
    """

    picture: Picture
    hole: Mask
    sketch: Mask
    before: "Version | None" = None

    @classmethod
    def of(cls, picture: Picture, before: "Version | None" = None) -> "Version":
        """A picture that nothing is painted on."""
        return cls(picture, np.zeros(picture.size, bool), np.zeros(picture.size, bool), before)

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.picture.pixels.nbytes + self.hole.nbytes + self.sketch.nbytes

    def smaller(self, longest: int = SHOWN) -> "Version":
        """In 8 bits, scaled down until no side is longer than so many pixels."""
        size = fitting(self.picture.size, longest)
        pixels = cv2.resize(self.picture.rgb_uint8(), size[::-1], interpolation=cv2.INTER_AREA)
        return Version(
            Picture(pixels, "RGB"), scaled_mask(self.hole, size), scaled_mask(self.sketch, size)
        )


@dataclass(frozen=True)
class Session:
    """All versions of a picture, from the first to the last; each change gives a new session.

    Attributes:
        name: the file's.
        versions: the original, and one for each fill.
        at: number of the version that is looked at.
    """

    name: str
    versions: tuple[Version, ...]
    at: int = 0

    @classmethod
    def opened(cls, path: Path, most_pixels: int) -> "Session":
        """A session with a file's picture.

        Raises:
            ImageFileError: if it can't be read or has more pixels than that.
        """
        check_size(path, most_pixels)
        return cls(path.name, (Version.of(read_picture(path)),))

    @property
    def current(self) -> Version:
        """The version that is looked at."""
        return self.versions[self.at]

    @property
    def asked(self) -> Version:
        """The version whose hole is meant: this one, or what it was filled from, if nothing is."""
        return self.current if self.current.hole.any() else self.current.before or self.current

    def painted(self, hole: Mask | None, sketch: Mask | None = None) -> "Session":
        """With what the browser has on the shown picture; None leaves what is there."""
        version = self.current
        return self._with(
            replace(
                version,
                hole=version.hole if hole is None else repainted(version.hole, hole),
                sketch=version.sketch if sketch is None else repainted(version.sketch, sketch),
            )
        )

    def with_hole(self, hole: Mask) -> "Session":
        """With another hole of the picture's size."""
        return self._with(replace(self.current, hole=hole))

    def filled(self, picture: Picture) -> "Session":
        """With a new version after this one, which takes the place of those that came after it."""
        before = replace(self.current, before=None)
        versions = [*self.versions[: self.at + 1], Version.of(picture, before)]
        while len(versions) > 2 and (
            len(versions) > REMEMBERED or sum(version.bytes for version in versions) > MOST_BYTES
        ):
            del versions[1]  # the original stays
        return replace(self, versions=tuple(versions), at=len(versions) - 1)

    def moved(self, at: int) -> "Session":
        """Looking at another version: the nearest that there is."""
        return replace(self, at=min(max(0, at), len(self.versions) - 1))

    def _with(self, version: Version) -> "Session":
        versions = (*self.versions[: self.at], version, *self.versions[self.at + 1 :])
        return replace(self, versions=versions)


def check_size(path: Path, most_pixels: int) -> None:
    """Raises ImageFileError if a file's picture has more pixels than that, before it is decoded."""
    height, width = picture_size(path)
    if height * width > most_pixels:
        raise ImageFileError(
            f"the picture has {width}x{height} pixels, and this page takes "
            f"{most_pixels / 1e6:g} million at most (--max-megapixels)"
        )


def scaled_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask in another size: what half of a pixel, or more, was or would be.

    Where that would leave nothing, or everything, the least part of a pixel counts.
    """
    if mask.shape == size:
        return mask
    smaller = size[0] * size[1] < mask.size
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    share = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=interpolation)
    scaled = share >= 0.5
    if mask.any() and not scaled.any():
        return share > 0
    if scaled.all() and not mask.all():
        return share == 1
    return scaled


def repainted(mask: Mask, painted: Mask) -> Mask:
    """A mask with the changes that were painted on a smaller copy of it.

    What wasn't touched stays as fine as it was.
    """
    changed = painted != scaled_mask(mask, painted.shape)
    if not changed.any():
        return mask
    touched = cv2.resize(
        changed.astype(np.uint8), mask.shape[::-1], interpolation=cv2.INTER_NEAREST
    ).astype(bool)
    return np.where(touched, scaled_mask(painted, mask.shape), mask)
