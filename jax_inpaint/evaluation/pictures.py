"""The photographs that are filled."""

from pathlib import PurePosixPath

import numpy as np
from jaxtyping import UInt8

from jax_inpaint.config import DataConfig
from jax_inpaint.data.sources import FolderSource, open_source
from jax_inpaint.data.stream import central_crop
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.records import files_digest


class Photographs:
    """Pictures of a source, in a fixed order, each with a number, a path and a size.

    ``photographs[i]`` is uint8 (H, W, 3); it raises ImageFileError if the picture can't be read.

    Args:
        source: ``photographs``, ``tfds:NAME``, ``folder:PATH`` or the path of a folder, all of
            which is taken.
        split: of a TFDS source.
        directory: where TFDS data sets are.
        size: height and width: of pictures the largest part of these proportions, from the middle,
            is scaled; None leaves them as they are.
        count: how many, from all over the source; None for all.

    Attributes:
        numbers: of the pictures in the source, which don't depend on ``count``.
        stems: their paths without suffixes, or their numbers.
        files: tells whether a folder was changed since; empty for other sources.

    Raises:
        DataError: if the source can't be used.
        EvaluationError: if two pictures have the same path but for suffixes, or ``count`` is less
            than one.
    """

    def __init__(
        self,
        source: str,
        *,
        split: str = "validation",
        directory: str = "",
        size: tuple[int, int] | None = None,
        count: int | None = None,
    ):
        if ":" not in source and source != "photographs":
            source = f"folder:{source}"
        config = DataConfig(
            source="photographs",
            validation_source=source,
            validation_split=split,
            directory=directory,
            smallest_side=1,
        )
        self._source = open_source(config, "validation").source
        self._size = size
        everything = len(self._source)
        count = everything if count is None else min(count, everything)
        if count < 1:
            raise EvaluationError(f"the number of pictures must be >= 1, got {count}")
        self.numbers = [i * everything // count for i in range(count)]
        self.files = ""
        if isinstance(self._source, FolderSource):
            self.files = files_digest(self._source.root, self._source.files)
            self.names = [self._source.name(number) for number in self.numbers]
        else:
            self.names = [f"{number:06d}" for number in self.numbers]
        self.stems = [str(PurePosixPath(name).with_suffix("")) for name in self.names]
        if len(set(self.stems)) < count:
            twice = next(stem for stem in self.stems if self.stems.count(stem) > 1)
            raise EvaluationError(f"{source}: two pictures are called {twice}")

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "h w 3"]:
        picture = self._source[self.numbers[index]]
        return picture if self._size is None else central_crop(picture, self._size)
