"""What fills holes: networks, what needs no training, and other programs."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

from jax_inpaint.evaluation.baselines import BASELINES, BaselineName
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.records import content_digest, files_digest
from jax_inpaint.images import SUFFIXES, Picture, read_picture
from jax_inpaint.inference.inpainter import Inpainter, Task
from jax_inpaint.inference.options import FillOptions
from jax_inpaint.weights import weights_file

Pixels = UInt8[np.ndarray, "_ _ 3"]  # of any size each


@dataclass(frozen=True)
class Example:
    """A picture to be filled, and what it is called.

    Attributes:
        number: in the source.
        stem: its path without suffix.
        photograph: the whole of it.
        holes: the name of the set of holes.
        hole: True inside.
    """

    number: int
    stem: str
    photograph: Pixels
    holes: str
    hole: Bool[np.ndarray, "h w"]

    def composite(self, filled: Pixels) -> Pixels:
        """The photograph with the hole's pixels from another picture."""
        return np.where(self.hole[..., None], filled, self.photograph)


@runtime_checkable
class Method(Protocol):
    """A row of the tables.

    Attributes:
        name: of the row, and of its folder.
        description: what it is, for people.
        identity: what decides its pictures, for JSON.
        together: how many pictures it gains from being given at once.
        timed: whether the time that it takes is a time of filling.
    """

    name: str
    description: str
    identity: dict[str, object]
    together: int
    timed: bool

    def fill(self, examples: Sequence[Example]) -> list[Pixels]:
        """The pictures, filled; nobody looks at their known pixels."""
        ...


class Network:
    """A generator with its weights.

    Args:
        name: of the row.
        path: weights file or workdir.
        options: how to fill.
        dtype, device: as of :class:`~jax_inpaint.inference.inpainter.Inpainter`.
    """

    timed = True

    def __init__(
        self, name: str, path: Path, options: FillOptions, dtype: str | None, device: str | None
    ):
        self.name, self.description = name, str(path)
        self._inpainter = Inpainter.load(path, dtype=dtype, device=device)
        self._options = options
        self.together = self._inpainter.together
        self.identity: dict[str, object] = {
            "weights": content_digest(weights_file(path)),
            "options": dataclasses.asdict(options),
            "dtype": dtype,
        }

    def fill(self, examples: Sequence[Example]) -> list[Pixels]:
        """The pictures, filled by the network."""
        tasks = [Task(Picture(e.photograph, "RGB"), e.hole) for e in examples]
        return [picture.rgb_uint8() for picture in self._inpainter.fill(tasks, self._options)]


class Baseline:
    """What needs no training; raises BaselineError if a library that it needs isn't there."""

    timed, together = True, 1

    def __init__(self, name: BaselineName):
        self.name: str = name
        self.description = BASELINES[name].title
        self._fill = BASELINES[name].fill
        self._fill(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool))
        self.identity: dict[str, object] = {"baseline": name}

    def fill(self, examples: Sequence[Example]) -> list[Pixels]:
        """The pictures, filled one by one."""
        return [self._fill(e.photograph, e.hole) for e in examples]


class Predictions:
    """A folder of pictures that another program filled.

    They are looked for at ``HOLES/PICTURE.png`` (or another suffix) below it, or, if ``only`` is
    given, also at ``PICTURE.png``: names of the set of holes and of the photograph.

    Args:
        name: of the row.
        folder: where they are.
        only: the name of the set of holes, if there is just one.
    """

    timed, together = False, 1

    def __init__(self, name: str, folder: Path, only: str | None = None):
        if not folder.is_dir():
            raise EvaluationError(f"--predictions {name}={folder}: there is no such folder")
        self.name, self.description = name, str(folder)
        self._folder, self._only = folder, only
        self._digests: dict[str, str] = {}  # by set of holes
        self.identity: dict[str, object] = {
            "folder": str(folder.resolve()),
            "files for": self._digests,
        }

    def path(self, holes: str, stem: str) -> Path | None:
        """Where a picture is, if it is."""
        places = [self._folder / holes] + ([self._folder] if self._only == holes else [])
        for place in places:
            for suffix in SUFFIXES:
                path = place / f"{stem}{suffix}"
                if path.is_file():
                    return path
        return None

    def check(self, holes: Sequence[str], stems: Sequence[str]) -> None:
        """Raises EvaluationError, with how many and one of them, if any picture is missing.

        Their names, sizes and times become part of the identity.
        """
        paths = {name: [self.path(name, stem) for stem in stems] for name in holes}
        missing = [
            self._folder / name / stem
            for name in holes
            for stem, path in zip(stems, paths[name], strict=True)
            if path is None
        ]
        if missing:
            raise EvaluationError(
                f"--predictions {self.name}: {len(missing)} of {len(holes) * len(stems)} pictures "
                f"are missing, such as {missing[0]}.png"
            )
        for name in holes:
            files = [str(path.relative_to(self._folder)) for path in paths[name] if path]
            self._digests[name] = files_digest(self._folder, files)

    def fill(self, examples: Sequence[Example]) -> list[Pixels]:
        """The pictures, read."""
        return [self._read(example) for example in examples]

    def _read(self, example: Example) -> Pixels:
        path = self.path(example.holes, example.stem)
        if path is None:
            raise EvaluationError(f"{self._folder / example.holes / example.stem}.png is missing")
        pixels = read_picture(path, metadata=False).rgb_uint8()
        if pixels.shape != example.photograph.shape:
            height, width = example.photograph.shape[:2]
            raise EvaluationError(
                f"{path} is {pixels.shape[1]}x{pixels.shape[0]} but the photograph is "
                f"{width}x{height} (width x height); they must be the same"
            )
        return pixels


def name_and_path(text: str) -> tuple[str, Path]:
    """``NAME=PATH``, or a path alone, whose name is its own."""
    name, equals, path = text.partition("=")
    if equals and os.sep not in name:
        return name, Path(path).expanduser()
    return Path(text).name, Path(text).expanduser()
