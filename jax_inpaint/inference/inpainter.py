"""Fill the hole of one picture of any size."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float32

from jax_inpaint.compilation import compile_for
from jax_inpaint.config import GeneratorConfig
from jax_inpaint.images import Picture
from jax_inpaint.inference.blending import poisson_blend
from jax_inpaint.models import final_output
from jax_inpaint.weights import Variables, load_weights

Blend = Literal["none", "poisson"]


class FillError(ValueError):
    """A picture and mask that can't be filled; the message says why and what to do."""


class Inpainter:
    """A generator with its weights, ready for pictures; one that takes a sketch gets an empty one.

    Example:
        >>> inpainter = Inpainter.load("runs/quickstart")  # doctest: +SKIP
        >>> filled = inpainter(picture, hole)  # doctest: +SKIP
    """

    def __init__(self, config: GeneratorConfig, variables: Variables):
        self.config = config
        self._variables = jax.device_put(variables)
        generator = config.build_to_fill()

        def fill(variables: Variables, image: jax.Array, mask: jax.Array) -> jax.Array:
            sketch = jnp.zeros_like(mask) if config.takes_sketch else None
            outputs: Any = generator.apply(variables, image, mask, sketch)
            return final_output(outputs)

        self._fill = compile_for(jax.local_devices()[:1], fill)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Inpainter":
        """Reads a weights file, or the one in the folder of a run. Raises WeightsError."""
        return cls(*load_weights(path))

    def __call__(self, picture: Picture, hole: np.ndarray, blend: Blend = "none") -> Picture:
        """The picture with its hole filled; all other pixels are the same, bit for bit.

        The picture is padded by reflection to the multiple (of 8, say) that the network needs.

        Args:
            picture: of any size, channels and depth.
            hole: bool (H, W), True where to fill.
            blend: how the fill meets what is around it: as the network draws it, or its colours
                adapted by :func:`~jax_inpaint.inference.blending.poisson_blend`.

        Raises:
            FillError: as :func:`check_fillable`, or if the memory doesn't suffice after all.
        """
        check_fillable(picture, hole, self.config)
        height, width = picture.size
        image, mask = pad_by_reflection(picture.rgb(), hole, self.config.multiple)
        with saying_where_memory_ends(height, width):
            filled = np.asarray(self._fill(self._variables, image[None], mask[None]))[0]
        filled = filled[:height, :width]
        if blend == "poisson":
            filled = poisson_blend(picture.rgb(), filled, hole)
        return picture.filled(filled, hole)


def pad_by_reflection(
    image: Float32[np.ndarray, "h w c"], hole: Bool[np.ndarray, "h w"], multiple: int
) -> tuple[Float32[np.ndarray, "p q c"], Float32[np.ndarray, "p q 1"]]:
    """Image and mask, 1 in the hole, continued below and to the right to multiples of a number."""
    padding = [(0, -side % multiple) for side in hole.shape]
    padded = np.pad(image, (*padding, (0, 0)), mode="reflect")
    return padded, np.pad(hole, padding, mode="reflect").astype(np.float32)[..., None]


@contextlib.contextmanager
def saying_where_memory_ends(height: int, width: int) -> Iterator[None]:
    """Turns the device's error for a picture that is too large into a FillError."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise FillError(
            f"the device has too little free memory for a picture of {width}x{height}; "
            "scale it and its mask down, or cut out the part around the hole"
        ) from error


def check_fillable(
    picture: Picture, hole: np.ndarray, config: GeneratorConfig | None = None
) -> None:
    """Finds out before the work whether an :class:`Inpainter` could fill ``hole``, bool (H, W).

    Memory is only looked at if ``config`` says what network it is.

    Raises:
        FillError: if the hole isn't bool, has another size than the picture, is empty or
            everything, or the picture is too large for the memory of this machine.
    """
    if hole.dtype != bool:
        raise FillError(f"the hole is {hole.dtype} but must be bool; compare it, as in mask > 127")
    if hole.shape != picture.size:
        raise FillError(
            f"the mask is {_name(hole.shape)} but the picture is {_name(picture.size)} "
            "(width x height, upright); they must be the same"
        )
    if not hole.any():
        raise FillError(
            "the mask has no hole: paint white (brighter than mid-grey) what is to be filled"
        )
    if hole.all():
        raise FillError("the mask covers the whole picture: black must mark what is to be kept")
    if config is None:
        return
    needed, available = config.attention_memory(*picture.size), _memory()
    if needed > available:
        multiple = config.multiple
        side = multiple * int((available / config.attention_memory(multiple, multiple)) ** 0.5)
        raise FillError(
            f"a picture of {_name(picture.size)} needs about {needed / 2**30:.3g} GiB for "
            f"contextual attention, this machine has {available / 2**30:.3g} GiB; scale it "
            f"and its mask down to the area of {side}x{side}, or cut out the part around the hole"
        )


def _name(size: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in reversed(size))


def _memory() -> int:
    """Bytes of the first device's memory, or of the machine's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in statistics:
        return statistics["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
