"""The evaluation: every method fills every hole of every picture, and is scored."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.holes import Holes
from jax_inpaint.evaluation.methods import Example, Method, Pixels
from jax_inpaint.evaluation.pictures import Photographs
from jax_inpaint.evaluation.records import Columns, Records
from jax_inpaint.evaluation.scoring import Scorer
from jax_inpaint.images import ImageFileError

# A folder of the records beside those of the sets of holes: features of the photographs.
PHOTOGRAPHS, FEATURES = "photographs", "features"


class Stopped(Exception):  # noqa: N818 (it isn't an error)
    """Asked to stop between two batches."""


class Evaluation:
    """Fills and scores batch by batch; what is recorded already isn't done again.

    All methods fill a batch before the next one is read, so that their times are taken side by
    side.

    Args:
        photographs: the pictures.
        holes: the sets of holes.
        methods: what fills them.
        scorer: computes figures.
        records: keeps them.
        batch: pictures a batch.
        share: of several processes the number of this one, from 0, and how many there are. Each
            takes batches of its own, the same ones whatever is recorded already.
    """

    def __init__(
        self,
        photographs: Photographs,
        holes: Sequence[Holes],
        methods: Sequence[Method],
        scorer: Scorer,
        records: Records,
        batch: int,
        share: tuple[int, int] = (0, 1),
    ):
        self.photographs, self.holes, self.methods = photographs, holes, methods
        self._share = share
        self.scorer, self._records, self._batch = scorer, records, batch
        self._sizes_met: set[tuple[str, tuple[int, ...]]] = set()

    @property
    def batches(self) -> list[range]:
        """Indexes of the pictures of each batch."""
        count, batch = len(self.photographs), self._batch
        return [range(first, min(first + batch, count)) for first in range(0, count, batch)]

    @property
    def total(self) -> int:
        """Pictures for this process to fill in all."""
        return sum(len(indexes) for _, _, indexes in self._units) * len(self.methods)

    @property
    def _units(self) -> list[tuple[Holes, int, range]]:
        """This process's sets of holes and batches, with the number and indexes of each batch."""
        number, count = self._share
        units = [(holes, *batch) for holes in self.holes for batch in enumerate(self.batches)]
        return units[number::count]

    def run(
        self, progress: Callable[[int], None], must_stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Does what isn't recorded yet.

        Args:
            progress: called with the number of fills that are done since.
            must_stop: asked after each batch of a method.

        Raises:
            Stopped: if so.
            EvaluationError: if a picture can't be filled.
        """
        for holes, batch, indexes in self._units:
            missing = [
                method
                for method in self.methods
                if not self._records.has(holes.name, method.name, batch)
            ]
            progress(len(indexes) * (len(self.methods) - len(missing)))
            # Once for each batch, by whoever fills its first holes.
            without_features = (
                self.scorer.has_features
                and holes is self.holes[0]
                and not self._records.has(PHOTOGRAPHS, FEATURES, batch)
            )
            if not missing and not without_features:
                continue
            examples = list(self.examples(holes, indexes))
            if without_features:
                self._records.save(PHOTOGRAPHS, FEATURES, batch, self._features(examples))
            for method in missing:
                columns = self._score(method, examples)
                self._records.save(holes.name, method.name, batch, columns)
                progress(len(indexes))
                if must_stop():
                    raise Stopped

    def examples(self, holes: Holes, indexes: Sequence[int]) -> Iterator[Example]:
        """Pictures with their holes; those that can't be read are left out."""
        for index in indexes:
            try:
                photograph = self.photographs[index]
            except ImageFileError:
                continue
            number, stem = self.photographs.numbers[index], self.photographs.stems[index]
            hole = holes(number, photograph.shape[:2], stem)
            if hole.all():
                raise EvaluationError(
                    f"the hole of {stem} in {holes.name} is the whole picture; something must be "
                    "known"
                )
            yield Example(number, stem, photograph, holes.name, hole)

    def fill(self, method: Method, examples: Sequence[Example]) -> tuple[list[Pixels], list[float]]:
        """Filled pictures, and the seconds that each took.

        NaN seconds where a size was met for the first time, for which programs are compiled, and
        where there is no time to be taken. Nothing is filled where there is no hole.
        """
        filled = [e.photograph for e in examples]
        seconds = [float("nan")] * len(examples)
        order = [i for i, e in enumerate(examples) if e.hole.any()]
        for first in range(0, len(order), method.together):
            group = order[first : first + method.together]
            begin = time.perf_counter()
            pictures = method.fill([examples[i] for i in group])
            passed = (time.perf_counter() - begin) / len(group)
            sizes = {(method.name, (len(group), *examples[i].photograph.shape[:2])) for i in group}
            warm = sizes <= self._sizes_met
            self._sizes_met |= sizes
            for i, picture in zip(group, pictures, strict=True):
                filled[i] = picture
                seconds[i] = passed if warm and method.timed else float("nan")
        return filled, seconds

    def _score(self, method: Method, examples: Sequence[Example]) -> Columns:
        """The records of a batch."""
        filled, seconds = self.fill(method, examples)
        columns: Columns = {
            "number": np.array([e.number for e in examples], np.int64),
            "height": np.array([e.photograph.shape[0] for e in examples], np.int64),
            "width": np.array([e.photograph.shape[1] for e in examples], np.int64),
            "share": np.array([e.hole.mean() for e in examples], np.float64),
            "hole_crc32": np.array([_checksum(e.hole) for e in examples], np.int64),
            "changed_outside": np.array(
                [
                    np.any((picture != e.photograph) & ~e.hole[..., None])
                    for e, picture in zip(examples, filled, strict=True)
                ],
                bool,
            ),
            "seconds": np.array(seconds, np.float64),
        }
        if examples:
            columns |= self.scorer.figures(examples, filled)
        if examples and self.scorer.has_features:
            pairs = zip(examples, filled, strict=True)
            columns[FEATURES] = self.scorer.features([e.composite(fill) for e, fill in pairs])
        return columns

    def _features(self, examples: Sequence[Example]) -> Columns:
        """Records of photographs."""
        columns: Columns = {"number": np.array([e.number for e in examples], np.int64)}
        if examples:
            columns[FEATURES] = self.scorer.features([e.photograph for e in examples])
        return columns


def _checksum(hole: np.ndarray) -> int:
    return zlib.crc32(np.packbits(hole).tobytes())
