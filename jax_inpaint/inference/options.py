"""How to fill: what callers, the command and the page let people choose."""

from dataclasses import dataclass
from typing import TypedDict, get_args

from jax_inpaint.inference.blending import BlendKind
from jax_inpaint.inference.network import FillError
from jax_inpaint.inference.strategies import Strategy

SMALLEST_WORKING_SIZE = 32


class OptionFields(TypedDict, total=False):
    """The fields of :class:`FillOptions` as keywords."""

    strategy: Strategy
    working_size: int | None
    grow: int
    blend: BlendKind
    band: int | None
    coarse: bool


@dataclass(frozen=True)
class FillOptions:
    """How to fill; raises FillError if a value can't be.

    ``original`` shows the network the whole picture at once, ``resize`` the whole picture scaled
    down, ``crop`` each hole with what is around it, and ``refine`` first the whole scaled down and
    then larger sizes, each guided by the one before. ``auto`` is ``original`` for pictures of up to
    one and a half times the working size, and ``crop`` for others.

    Blending adapts the fill's colours to those around the hole, and leaves these as they are:
    :func:`~jax_inpaint.inference.blending.feather` and
    :func:`~jax_inpaint.inference.blending.poisson_blend`.
    """

    strategy: Strategy = "auto"  # what the network sees; auto: all of small pictures, or else crops
    working_size: int | None = None  # pixels it sees across in other ways; twice those trained on
    grow: int = 0  # pixels by which to enlarge the hole on every side; negative: shrink
    blend: BlendKind = "none"  # how the fill's colours are adapted to those around the hole
    band: int | None = None  # pixels that blending reaches into it; 16 for feather, or all of it
    coarse: bool = False  # fill with what the first of two stages draws

    def __post_init__(self) -> None:
        for name, kind in (("strategy", Strategy), ("blend", BlendKind)):
            value = getattr(self, name)
            if value not in get_args(kind):
                raise FillError(f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}")
        if self.working_size is not None and self.working_size < SMALLEST_WORKING_SIZE:
            raise FillError(
                f"working_size must be {SMALLEST_WORKING_SIZE} or more, got {self.working_size}"
            )
        if self.band is not None and self.band < 1:
            raise FillError(f"band must be 1 or more pixels, got {self.band}")
