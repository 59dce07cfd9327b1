"""The folder of a run: checked, kept from other runs, and what can't be written to it is said."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from jax_inpaint.config import Config, differences, to_dict
from jax_inpaint.config.values import TALLEST
from jax_inpaint.errors import UserError
from jax_inpaint.files import write_atomically
from jax_inpaint.locking import LockedError, locked
from jax_inpaint.training.check import discriminator_shapes

# What a run can't change when it goes on: networks shape the state, but for what they compute in.
_FIXED = re.compile(r"(generator|discriminator)(\.(?!compute_dtype)|:)")


class WorkdirError(UserError):
    """A workdir that can't be used for this run; the message says why and what to do."""


class NotWrittenError(WorkdirError):
    """Something of a run that can't be written: its disk is full, or may not be written to."""


@contextlib.contextmanager
def open_workdir(config: Config) -> Iterator[Path]:
    """The workdir, made or checked, which no other run can open until the block ends.

    Writes ``config.json``. Other fields than the models' may differ from the run's earlier ones
    (more steps, another learning rate, more devices); :func:`changes` tells which do. The lock goes
    with this process, however it ends.

    Raises:
        WorkdirError: if the workdir holds another model's run, with the difference, or something
            that isn't a run; if another run is using it; if it can't be written to, then or within
            the block, with the last complete checkpoint.

    Example::

        with open_workdir(config) as workdir:
            checkpoints = Checkpoints(workdir, config.train.keep)
    """
    workdir = Path(config.workdir).expanduser()
    path = workdir / "config.json"
    # In this order: a run that begins at this moment writes its configuration before all else.
    if workdir.exists() and any(map(_is_visible, workdir.iterdir())) and not path.exists():
        raise WorkdirError(
            f"{workdir} isn't empty and holds no run (no config.json); choose another --workdir"
        )
    with _locked(workdir):
        changed = changes(config)
        begun = any((workdir / "checkpoints").glob("*"))
        fixed = [line for line in changed if begun and _fixes(line, config, path)]
        if fixed:
            raise WorkdirError(
                f"{workdir} holds the run of another model:\n  "
                + "\n  ".join(fixed)
                + "\nChoose another --workdir, or the run's own settings to go on with it."
            )
        with writing(path):
            write_atomically(path, (json.dumps(to_dict(config), indent=2) + "\n").encode())
        try:
            yield workdir
        except NotWrittenError as error:
            steps = saved_steps(workdir)
            saved = (
                f"The last complete checkpoint is step {steps[-1]}" if steps else "Nothing is saved"
            )
            raise WorkdirError(
                f"{error}. {saved}; free space or make it writable, then the same command goes on "
                "from there."
            ) from error


def _is_visible(path: Path) -> bool:
    """The lock and what a killed run may have left of its configuration don't count."""
    return not path.name.startswith(".")


@contextlib.contextmanager
def _locked(workdir: Path) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        try:
            with writing(workdir / ".lock"):
                held.enter_context(locked(workdir, "run"))
        except LockedError as error:
            who = f"another run, {error}," if str(error) else "another run"
            raise WorkdirError(
                f"{workdir}: {who} is using it; wait for its end, or choose another --workdir"
            ) from None
        yield


def _fixes(line: str, config: Config, path: Path) -> bool:
    """Whether a line of :func:`changes` would change the shape of the state."""
    if line.startswith("data.size:"):
        match json.loads(path.read_text())["data"]["size"]:
            case [int(height), int(width)] if all(0 < s <= TALLEST for s in (height, width)):
                before = discriminator_shapes(config, (height, width))
                return before != discriminator_shapes(config, config.data.size)
        return True
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
    except (ValueError, RecursionError) as error:
        raise WorkdirError(f"{path} isn't a run's configuration ({error})") from error
    return differences(before, to_dict(config))


def saved_steps(workdir: Path) -> list[int]:
    """Steps done at each complete checkpoint of a run, rising."""
    folder = workdir / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if re.fullmatch("[0-9]+", name))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system raises into a NotWrittenError that names what can't be written."""
    try:
        yield
    except OSError as error:
        raise NotWrittenError(f"{path} can't be written: {error.strerror or error}") from error
