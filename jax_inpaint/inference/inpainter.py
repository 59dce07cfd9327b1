"""Fill the hole of one picture of any size."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.images import Picture, read_picture
from jax_inpaint.models import build_generator
from jax_inpaint.weights import load_weights

_MULTIPLE = 8  # height and width that the generator takes: multiples of this


class FillError(ValueError):
    """A picture and mask that can't be filled; the message says why and what to do."""


class Inpainter:
    """A generator with its weights, ready for pictures.

    Example:
        >>> inpainter = Inpainter.load("runs/quickstart")  # doctest: +SKIP
        >>> filled = inpainter(picture, hole)  # doctest: +SKIP
    """

    def __init__(self, config: GeneratorConfig, params: dict[str, Any]):
        self.config = config
        self._params = jax.device_put(params)
        generator = build_generator(config)

        @jax.jit
        def fill(params: Any, image: jax.Array, mask: jax.Array) -> jax.Array:
            sketch = jnp.zeros_like(mask) if config.sketch else None
            return generator.apply({"params": params}, image, mask, sketch)["refined"]

        self._fill = fill

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Inpainter":
        """Reads a weights file, or the one in the folder of a run. Raises WeightsError."""
        return cls(*load_weights(path))

    def __call__(self, picture: Picture, hole: np.ndarray) -> Picture:
        """The picture with its hole filled; all other pixels are the same, bit for bit.

        The picture is padded by reflection to the multiple of 8 that the network needs.

        Args:
            picture: of any size, channels and depth.
            hole: bool (H, W), True where to fill.

        Raises:
            FillError: if the hole has another size, is empty or everything, or the picture is too
                large for the memory of this machine.
        """
        check_hole(picture, hole)
        height, width = picture.size
        check_memory(height, width)
        padding = ((0, -height % _MULTIPLE), (0, -width % _MULTIPLE))
        image = np.pad(picture.rgb(), (*padding, (0, 0)), mode="reflect")
        mask = np.pad(hole, padding, mode="reflect").astype(np.float32)[..., None]
        refined = np.asarray(self._fill(self._params, image[None], mask[None]))[0]
        return picture.filled(refined[:height, :width], hole)


def read_hole(path: str | os.PathLike[str]) -> np.ndarray:
    """A mask file as bool (H, W): True where it is brighter than mid-grey. Raises ImageFileError."""
    return read_picture(path).rgb().mean(axis=-1) > 0


def check_hole(picture: Picture, hole: np.ndarray) -> None:
    """Raises FillError unless ``hole`` fits the picture and leaves something to fill and to see."""
    if hole.shape != picture.size:
        raise FillError(
            f"the mask is {hole.shape[1]}x{hole.shape[0]} but the picture is "
            f"{picture.size[1]}x{picture.size[0]} (width x height, upright); they must be the same"
        )
    if not hole.any():
        raise FillError(
            "the mask has no hole: paint white (brighter than mid-grey) what is to be filled"
        )
    if hole.all():
        raise FillError("the mask covers the whole picture: black must mark what is to be kept")


def check_memory(height: int, width: int) -> None:
    """Raises FillError where contextual attention wouldn't fit into this machine's memory.

    It compares every 8x8 block with every other, so its memory grows with the square of the area.
    """
    blocks = -(-height // 8) * -(-width // 8)
    needed = 4 * 4 * blocks**2  # scores, two fused copies and the attention, float32
    available = _memory()
    if needed > available:
        side = int(8 * (available / 16) ** 0.25)
        raise FillError(
            f"a picture of {width}x{height} needs about {needed / 2**30:.0f} GB for contextual "
            f"attention, this machine has {available / 2**30:.0f} GB; scale the picture and its "
            f"mask down to about {side}x{side}, or cut out the part around the hole"
        )


def _memory() -> int:
    """Bytes of the first device's memory, or of the machine's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        return statistics["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

