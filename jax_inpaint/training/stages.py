"""Progressive training: batches whose size follows the stages of a run."""

import dataclasses
from collections.abc import Iterator

from jax_inpaint.config import Config
from jax_inpaint.data.stream import training_batches
from jax_inpaint.training.mesh import HostBatch


class StagedBatches(Iterator[HostBatch]):
    """The batches of a run from a step on; a stage's stream ends where the next one begins.

    Within a stage, batch ``n`` is the same whether the run was interrupted or not.

    Args:
        config: the experiment.
        first_step: steps already done.
        share: which part of every batch to give, and of how many.
    """

    def __init__(self, config: Config, first_step: int, share: tuple[int, int] = (0, 1)):
        self._config = config
        self._share = share
        self._step = first_step
        self._open()

    def _open(self) -> None:
        stage, began = self._config.stage_at(self._step)
        self._end = stage.until
        data = dataclasses.replace(self._config.data, size=stage.size)
        self._stream = training_batches(
            data,
            stage.batch_size,
            # Another order for each stage: the same photographs first would be seen more often.
            self._config.train.seed + began,
            self._step - began,
            *self._share,
            masks=self._config.masks,
        )

    def __next__(self) -> HostBatch:
        if self._step == self._end:
            self.close()
            self._open()
        batch = next(self._stream)
        self._step += 1
        return batch

    def close(self) -> None:
        """Ends the stream's threads and workers."""
        self._stream.close()
