"""Masks from a folder of pictures, for those who have their own."""

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from jax_inpaint.data.sources import FolderSource
from jax_inpaint.images import read_hole


class MaskFiles:
    """All pictures below a folder as masks, in the order of their paths.

    ``masks[i]`` is bool (H, W), True (hole) where the picture is brighter than mid-grey, so that
    the noise of a JPEG isn't hole; it raises ImageFileError if the picture can't be read. In
    training another one stands in (:class:`~jax_inpaint.data.sources.ReadableImages`).

    Args:
        folder: where to look; subfolders are searched too.

    Raises:
        DataError: if there is no such folder, or no picture in it.
    """

    def __init__(self, folder: str):
        self._pictures = FolderSource(folder, None, 0.0)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Bool[np.ndarray, "h w"]:
        return read_hole(self._pictures.root / self._pictures.files[index])

    def name(self, index: int) -> str:
        """The path below the folder."""
        return self._pictures.name(index)


def training_mask(
    mask: Bool[np.ndarray, "h w"],
    size: tuple[int, int],
    rng: np.random.Generator | None = None,
) -> UInt8[np.ndarray, "height width 1"]:
    """The mask at another size, 1 in the hole.

    Args:
        mask: True in the hole.
        size: height and width of the result; the nearest pixel is taken, whatever the proportions.
        rng: draws one of the eight ways to turn and mirror the mask; None leaves it as it is.
    """
    if rng is not None:
        mask = np.rot90(mask, int(rng.integers(4)))
        mask = mask[:, ::-1] if rng.integers(2) else mask
    resized = Image.fromarray(mask.astype(np.uint8)).resize(
        (size[1], size[0]), Image.Resampling.NEAREST
    )
    return np.asarray(resized)[..., None]
