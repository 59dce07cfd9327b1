"""Checkpoints of a run: the whole state and the configuration, written asynchronously by Orbax."""

import json
import re
from pathlib import Path

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from jax_inpaint.config import Config, PictureFigure, differences, to_dict
from jax_inpaint.errors import UserError
from jax_inpaint.files import write_atomically
from jax_inpaint.metrics.figures import PICTURE_FIGURES
from jax_inpaint.training.check import discriminator_shapes
from jax_inpaint.training.state import TrainState

# What a run can't change when it goes on: networks shape the state, but for what they compute in.
_FIXED = re.compile(r"(generator|discriminator)(\.(?!compute_dtype)|:)")


class WorkdirError(UserError):
    """A workdir that can't be used for this run; the message says why and what to do."""


def open_workdir(config: Config) -> Path:
    """Makes the workdir, or checks that the run in it can go on with this configuration.

    Writes ``config.json``. Other fields than the models' may differ from the run's earlier ones
    (more steps, another learning rate, more devices); :func:`changes` tells which do.

    Raises:
        WorkdirError: if the workdir holds another model's run, with the difference, or something
            that isn't a run.
    """
    workdir = Path(config.workdir).expanduser()
    path = workdir / "config.json"
    if path.exists():
        changed = changes(config)
        begun = any((workdir / "checkpoints").glob("*"))
        fixed = [line for line in changed if begun and _fixes(line, config, path)]
        if fixed:
            raise WorkdirError(
                f"{workdir} holds the run of another model:\n  "
                + "\n  ".join(fixed)
                + "\nChoose another --workdir, or the run's own settings to go on with it."
            )
    elif workdir.exists() and any(workdir.iterdir()):
        raise WorkdirError(
            f"{workdir} isn't empty and holds no run (no config.json); choose another --workdir"
        )
    workdir.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(to_dict(config), indent=2) + "\n").encode())
    return workdir


def _fixes(line: str, config: Config, path: Path) -> bool:
    """Whether a line of :func:`changes` would change the shape of the state."""
    if line.startswith("data.size:"):
        height, width = json.loads(path.read_text())["data"]["size"]
        before = discriminator_shapes(config, (height, width))
        return before != discriminator_shapes(config, config.data.size)
    return _FIXED.match(line) is not None


def changes(config: Config) -> list[str]:
    """Lines ``section.field: before -> now`` for what differs from the run in the workdir."""
    path = Path(config.workdir).expanduser() / "config.json"
    if not path.exists():
        return []
    try:
        before = json.loads(path.read_text())
        if not isinstance(before, dict):
            raise ValueError("it holds no object")
    except ValueError as error:
        raise WorkdirError(f"{path} isn't a run's configuration ({error})") from error
    return differences(before, to_dict(config))


class Checkpoints:
    """The latest states of a run and the one that validated best.

    Saving happens in the background and is atomic: a checkpoint is there whole or not at all.

    Args:
        workdir: of the run.
        keep: how many of the latest.
        best_by: the figure that tells which one is best.
    """

    def __init__(self, workdir: Path, keep: int, best_by: PictureFigure = "hole_l1"):
        policies = checkpoint_managers
        sign = 1 if PICTURE_FIGURES[best_by].better == "higher" else -1

        def score(figures: dict[str, float]) -> float:
            return sign * figures[best_by]

        self._manager = ocp.CheckpointManager(
            (workdir / "checkpoints").absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(
                    [
                        policies.LatestN(keep),
                        policies.BestN(
                            get_metric_fn=score,
                            n=1,
                            keep_checkpoints_without_metrics=False,
                        ),
                    ]
                ),
                best_fn=score,
                cleanup_tmp_directories=True,
            ),
        )

    def restore_latest(self, state: TrainState) -> TrainState:
        """The last complete checkpoint, placed as ``state`` is; ``state`` if there is none."""
        step = self._manager.latest_step()
        if step is None:
            return state
        abstract = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state
        )
        restored = self._manager.restore(
            step, args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
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
        """
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state), config=ocp.args.JsonSave(to_dict(config))
            ),
            metrics=figures,
        )

    def latest_step(self) -> int | None:
        """Steps done at the last checkpoint, complete once :meth:`close` returns."""
        return self._manager.latest_step()

    def close(self) -> None:
        """Waits until all is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()
