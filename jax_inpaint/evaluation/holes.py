"""Fixed holes: a function of seed, number and size of the picture, or files."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, get_args, runtime_checkable

import jax
import numpy as np
from jaxtyping import Bool

from jax_inpaint.config import DrawnKind, MaskConfig
from jax_inpaint.data.mask_files import MaskFiles, training_mask
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.records import files_digest
from jax_inpaint.masks import sample_masks

_DRAWN = re.compile(r"(?P<kind>[a-z]+)(:(?P<least>[\d.]+)-(?P<most>[\d.]+))?")

# Compiled in half the time: photographs of many sizes need a program for each.
draw_mask = jax.jit(
    sample_masks,
    static_argnums=(1, 2, 3, 4),
    compiler_options={"xla_backend_optimization_level": 0},
)


@runtime_checkable
class Holes(Protocol):
    """A hole for each picture.

    Attributes:
        name: of the set, for tables and folders.
        identity: what decides the holes, for JSON.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def identity(self) -> dict[str, object]: ...  # noqa: D102

    def __call__(
        self, number: int, size: tuple[int, int], stem: str
    ) -> Bool[np.ndarray, "height width"]:
        """The hole, True inside, of picture ``number``, of that height and width and path."""
        ...


@dataclass(frozen=True)
class DrawnHoles:
    """Holes drawn by a configuration, the same on every machine.

    They are drawn on a CPU: accelerators round differently, which can move an edge by a pixel.

    Attributes:
        name: of the set.
        config: what is drawn.
        seed: another one gives other holes.
    """

    name: str
    config: MaskConfig
    seed: int = 0

    @property
    def identity(self) -> dict[str, object]:
        """Kind, bounds and seed."""
        return {**dataclasses.asdict(self.config), "seed": self.seed}

    def __call__(
        self, number: int, size: tuple[int, int], stem: str = ""
    ) -> Bool[np.ndarray, "height width"]:
        """Mask ``number`` of the ones that ``sample_masks`` draws with the seed's key."""
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            masks = draw_mask(jax.random.key(self.seed), 1, *size, self.config, number)
            return np.asarray(masks)[0, ..., 0] > 0.5


class FileHoles:
    """Masks from a folder: those with the pictures' paths, or else one after the other.

    Args:
        folder: of the masks; white is the hole.
        stems: paths of the pictures without suffixes.

    Raises:
        EvaluationError: if some pictures have masks of their names and others not, or two masks
            have one name.
        DataError: if there is no such folder, or no picture in it.
    """

    def __init__(self, folder: str, stems: Sequence[str]):
        self._files = MaskFiles(folder)
        self.name = PurePosixPath(folder.rstrip("/")).name
        names = [self._files.name(index) for index in range(len(self._files))]
        self.identity: dict[str, object] = {
            "folder": folder,
            "masks": len(names),
            "files": files_digest(Path(folder).expanduser(), names),
        }
        by_stem: dict[str, int] = {}
        for index, name in enumerate(names):
            stem = str(PurePosixPath(name).with_suffix(""))
            if stem in by_stem:
                raise EvaluationError(f"folder:{folder}: two masks are called {stem}")
            by_stem[stem] = index
        named = [stem for stem in stems if stem in by_stem]
        if named and len(named) < len(stems):
            missing = next(stem for stem in stems if stem not in by_stem)
            raise EvaluationError(
                f"folder:{folder}: {len(named)} of {len(stems)} pictures have a mask of their "
                f"name, {missing} has none"
            )
        self._by_stem = by_stem if named else None

    def __call__(
        self, number: int, size: tuple[int, int], stem: str
    ) -> Bool[np.ndarray, "height width"]:
        """The mask of that name; or that number's, scaled to the picture's size."""
        if self._by_stem is None:
            mask = self._files[number % len(self._files)]
            return training_mask(mask, size)[..., 0] > 0
        mask = self._files[self._by_stem[stem]]
        if mask.shape != size:
            raise EvaluationError(
                f"the mask of {stem} is {mask.shape[1]}x{mask.shape[0]} but the picture is "
                f"{size[1]}x{size[0]} (width x height); they must be the same"
            )
        return mask


def parse_holes(text: str, seed: int, stems: Sequence[str]) -> Holes:
    """What an argument of ``--masks`` names.

    Args:
        text: a kind, such as ``thick``; a kind with bounds of the hole's share in per cent, such as
            ``irregular:10-20``; or ``folder:PATH``.
        seed: of what is drawn.
        stems: paths of the pictures without suffixes.

    Raises:
        EvaluationError: if it is none of these.
    """
    if text.startswith("folder:"):
        return FileHoles(text.removeprefix("folder:"), stems)
    match = _DRAWN.fullmatch(text)
    if match is None or match["kind"] not in get_args(DrawnKind):
        raise EvaluationError(
            f"masks '{text}' aren't known; there are {', '.join(get_args(DrawnKind))}, each also "
            "with the least and the most of the picture in per cent, such as irregular:10-20, and "
            "folder:PATH"
        )
    try:
        config = MaskConfig(kind=match["kind"])  # type: ignore[arg-type]
        if match["least"] is not None:
            bounds = float(match["least"]) / 100, float(match["most"]) / 100
            config = dataclasses.replace(config, coverage=bounds)
    except ValueError as error:
        raise EvaluationError(f"masks '{text}': {error}") from None
    return DrawnHoles(text.replace(":", "_"), config, seed)
