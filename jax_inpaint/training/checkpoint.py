"""Checkpoints of a run: the whole state and the configuration, written asynchronously by Orbax."""

import logging
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from jax_inpaint.config import Config, PictureFigure, to_dict
from jax_inpaint.files import sync
from jax_inpaint.metrics.figures import PICTURE_FIGURES
from jax_inpaint.training.manifest import DamagedError, verify, write_manifest
from jax_inpaint.training.state import TrainState
from jax_inpaint.training.storage import NOT_WRITTEN, reason, tell_once
from jax_inpaint.training.workdir import NotWrittenError, WorkdirError, saved_steps, writing

logger = logging.getLogger(__name__)

# Ends of names in the folder of checkpoints, whose own are numbers.
_UNFINISHED = ".unfinished"
_DAMAGED = ".damaged"

# Where folders can't be made, threads that wait for them would keep the process for many minutes.
_ASYNC = ocp.AsyncOptions(create_directories_asynchronously=False)

# What process 0 tells the others instead of a step.
_NO_STEP, _FAILED = -1, -2


class Checkpoints:
    """The latest states of a run and the one that validated best.

    Saving happens in the background and is atomic: a folder whose name is a number of steps is a
    whole checkpoint, with a manifest of its files. All are compared with theirs at the start;
    damaged ones are renamed, never deleted, and the best of the others counts as the best.

    In a run of several processes all of them make one and call its methods alike, on a file system
    that they share; process 0 decides, renames and deletes.

    Args:
        workdir: of the run.
        keep: how many of the latest.
        best_by: the figure that tells which one is best.

    Raises:
        WorkdirError: if there are checkpoints and all of them are damaged; if the folder can't be
            written to.
    """

    def __init__(self, workdir: Path, keep: int, best_by: PictureFigure = "hole_l1"):
        self._workdir = workdir
        self._folder = (workdir / "checkpoints").absolute()
        self._keep = keep
        self._best_by = best_by
        self._figures: dict[int, dict[str, float] | None] = {}
        step = _FAILED
        try:
            if jax.process_index() == 0:
                step = self._tidy_up()
        finally:  # the others wait for an answer
            if jax.process_count() > 1:
                step = int(multihost_utils.broadcast_one_to_all(np.int32(step)))
        if step == _FAILED:
            raise WorkdirError(f"process 0 can't use the checkpoints in {self._folder}")
        self._latest = None if step == _NO_STEP else step
        tell_once()
        self._orbax = ocp.AsyncCheckpointer(
            ocp.CompositeCheckpointHandler(
                composite_options=ocp.CompositeOptions(async_options=_ASYNC)
            ),
            async_options=_ASYNC,
        )
        self._background = ThreadPoolExecutor(1)
        self._saving: Future[None] | None = None
        self._failed = False

    def _tidy_up(self) -> int:
        """Deletes what wasn't finished and sets aside what is damaged; returns the latest step."""
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        damaged: dict[int, DamagedError] = {}
        for step in saved_steps(self._workdir):
            try:
                self._figures[step] = verify(self._folder / str(step))
            except DamagedError as error:
                damaged[step] = error
        if damaged and not self._figures:
            raise WorkdirError(
                "none of the saved checkpoints is whole:\n  "
                + "\n  ".join(map(str, damaged.values()))
                + "\nPut back a copy of what is missing, or begin anew in another --workdir."
            )
        for path in self._folder.glob(f"*{_UNFINISHED}*"):
            _delete(path)
        latest = max(self._figures, default=_NO_STEP)
        for step, damage in damaged.items():
            aside = self._set_aside(step)
            instead = f"; step {latest} is used instead" if step > latest else ""
            logger.warning("%s: the checkpoint is kept as %s%s", damage, aside, instead)
        return latest

    def _set_aside(self, step: int) -> Path:
        number, aside = 1, self._folder / f"{step}{_DAMAGED}"
        while aside.exists():
            number += 1
            aside = self._folder / f"{step}{_DAMAGED}.{number}"
        with writing(aside):
            return (self._folder / str(step)).rename(aside)

    def restore_latest(self, state: TrainState) -> TrainState:
        """The last whole checkpoint, placed as ``state`` is; ``state`` if there is none."""
        self._finish()
        if self._latest is None:
            return state
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state
        )
        restored = self._orbax.restore(
            self._folder / str(self._latest),
            args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)),
        )
        return restored["state"]

    def save(
        self, step: int, state: TrainState, config: Config, figures: dict[str, float] | None
    ) -> None:
        """Starts saving; returns once the state has been copied, so that it may be donated.

        Args:
            step: number of steps done.
            state: what to save.
            config: saved beside it.
            figures: validation figures; None where there was no validation.

        Raises:
            NotWrittenError: if this or the checkpoint before can't be written; after that, nothing
                more can be saved with this object.
        """
        self._finish()
        try:
            self._orbax.save(
                self._folder / f"{step}{_UNFINISHED}",
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state), config=ocp.args.JsonSave(to_dict(config))
                ),
            )
        except NOT_WRITTEN as error:
            raise self._not_written(step, error) from error
        self._latest = step
        self._saving = self._background.submit(self._complete, step, figures)

    def _complete(self, step: int, figures: dict[str, float] | None) -> None:
        """Waits for a checkpoint's files and makes it one, in a thread."""
        self._orbax.wait_until_finished()
        if jax.process_index() == 0:
            unfinished = self._folder / f"{step}{_UNFINISHED}"
            write_manifest(unfinished, figures)
            unfinished.rename(self._folder / str(step))
            sync(self._folder)
            self._figures[step] = figures
            self._prune()

    def _prune(self) -> None:
        """Deletes all checkpoints but the latest few and the best one."""
        sign = 1 if PICTURE_FIGURES[self._best_by].better == "higher" else -1
        scores = {
            (sign * figures[self._best_by], step)
            for step, figures in self._figures.items()
            if figures and self._best_by in figures
        }
        kept = {*sorted(self._figures)[-self._keep :], *(step for _, step in sorted(scores)[-1:])}
        for step in self._figures.keys() - kept:
            del self._figures[step]
            _delete(self._folder / str(step))

    def _finish(self) -> None:
        """Waits for the checkpoint that is being saved; raises what went wrong there."""
        saving, self._saving = self._saving, None
        if saving is None:
            return
        try:
            saving.result()
        except NOT_WRITTEN as error:
            raise self._not_written(self._latest, error) from error

    def _not_written(self, step: int | None, error: Exception) -> NotWrittenError:
        self._failed = True
        return NotWrittenError(f"step {step} can't be saved in {self._folder}: {reason(error)}")

    def latest_step(self) -> int | None:
        """Steps done at the last checkpoint, complete once :meth:`close` returns."""
        return self._latest

    def close(self) -> None:
        """Waits until all is on disk.

        Raises:
            NotWrittenError: if the last checkpoint can't be written.
        """
        self._background.shutdown()
        self._finish()
        if not self._failed:  # else it would raise the same again
            self._orbax.close()


def _delete(path: Path) -> None:
    """Deletes a folder that isn't needed; if that fails, it's told, and training goes on."""
    try:
        if _UNFINISHED not in path.name:  # so that a kill now leaves no half of a checkpoint
            path = path.rename(path.with_name(path.name + _UNFINISHED))
        shutil.rmtree(path)
    except OSError as error:
        logger.warning("%s isn't needed any more but can't be deleted (%s)", path, error.strerror)
