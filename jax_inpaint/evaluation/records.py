"""What was found out so far, on disk: an evaluation that was stopped goes on from there."""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.files import require_stored, write_atomically
from jax_inpaint.locking import LockedError, locked

Columns = dict[str, Shaped[np.ndarray, "n ..."]]

FORMAT = 1  # of the files; other ones aren't read
SETTINGS = "settings.json"
SHOWN = 3  # differences that a message tells of


class Records:
    """A folder with a file for every batch of pictures, set of holes and method.

    A file holds columns, a row a picture. Settings that decide them are kept beside them; methods
    and sets of holes may join later, but not change.

    Several processes may save to one folder, of different batches; the first opens it before the
    others do.

    Args:
        folder: made if it isn't there.
        common: settings that decide everything, for JSON.
        holes: identities of the sets of holes, by name.
        methods: identities of the methods, by name.

    Raises:
        EvaluationError: if the folder holds something else, or records of other settings, with the
            differences.
    """

    def __init__(
        self,
        folder: Path,
        common: Mapping[str, Any],
        holes: Mapping[str, Mapping[str, Any]],
        methods: Mapping[str, Mapping[str, Any]],
    ):
        self._parts = folder / "parts"
        path = folder / SETTINGS
        sections: dict[str, Any] = {"common": {"format": FORMAT, **common}}
        sections |= {"holes": dict(holes), "methods": dict(methods)}
        sections = json.loads(json.dumps(sections))  # as it will be read
        before = None
        if path.exists():
            before = _read(path)
            if changed := list(_changes(before, sections)):
                more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
                raise EvaluationError(
                    f"{folder} holds an evaluation with other settings: "
                    f"{'; '.join(changed[:SHOWN])}{more}. "
                    "Choose another --output, another name for what changed, or the same settings "
                    "to go on with it"
                )
            for section in ("holes", "methods"):
                sections[section] = _joined(before[section], sections[section])
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise EvaluationError(
                f"{folder} isn't an empty folder and holds no evaluation (no {SETTINGS}); choose "
                "another --output"
            )
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            if sections != before:
                write_atomically(path, (json.dumps(sections, indent=2) + "\n").encode())
        except OSError as error:
            raise EvaluationError(f"{folder}: can't be written ({error.strerror})") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other evaluations out until the block ends; raises EvaluationError if one is in."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locked(self._parts, "evaluation"))
            except LockedError as error:
                raise EvaluationError(
                    f"{self._parts.parent}: another evaluation, {error}, is using it; wait for its "
                    "end, or choose another --output"
                ) from None
            except OSError as error:
                raise EvaluationError(
                    f"{self._parts}: can't be written ({error.strerror})"
                ) from error
            yield

    def has(self, holes: str, method: str, batch: int) -> bool:
        """Whether there are records of a batch."""
        return self._path(holes, method, batch).exists()

    def save(self, holes: str, method: str, batch: int, columns: Columns) -> None:
        """Keeps the records of a batch."""
        path = self._path(holes, method, batch)
        file = io.BytesIO()
        np.savez(file, **columns)  # type: ignore[arg-type]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, file.getvalue())
        except OSError as error:
            raise EvaluationError(f"{path}: can't be written ({error.strerror})") from error

    def load(self, holes: str, method: str, batches: Iterable[int]) -> Columns:
        """The records of all batches, one behind the other; none if no picture could be read."""
        parts = [self._read_part(self._path(holes, method, batch)) for batch in batches]
        parts = [part for part in parts if len(part["number"])]
        names = parts[0] if parts else ()
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def _path(self, holes: str, method: str, batch: int) -> Path:
        return self._parts / holes / method / f"{batch:06d}.npz"

    @staticmethod
    def _read_part(path: Path) -> Columns:
        try:
            require_stored(path)
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                return dict(file)
        except Exception as error:  # zipfile's and NumPy's are of many kinds
            raise EvaluationError(
                f"{path} is damaged ({error}); delete it, and the same command makes it anew"
            ) from error


def files_digest(folder: Path, names: Iterable[str]) -> str:
    """Sixteen hexadecimal digits that tell whether any of a folder's files was changed since.

    By their names, sizes and times.
    """
    stats = [(name, (folder / name).stat()) for name in sorted(names) if (folder / name).exists()]
    lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()[:16]


def content_digest(path: str | os.PathLike[str]) -> str:
    """Sixteen hexadecimal digits of a file's content."""
    with open(path, "rb") as file:  # noqa: PTH123 (of any kind of path)
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _read(path: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads(path.read_text())
        identities = [*settings["holes"].values(), *settings["methods"].values()]
        if not all(isinstance(part, dict) for part in [settings["common"], *identities]):
            raise ValueError("a section isn't an object")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise EvaluationError(f"{path} isn't the settings of an evaluation ({error})") from error
    return settings


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    """``name: before -> now`` for all that may not change."""
    pairs = [("", before["common"], now["common"])]
    for section in ("holes", "methods"):
        pairs += [
            (f"{name} ", before[section][name], identity)
            for name, identity in now[section].items()
            if name in before[section]
        ]
    for prefix, old, new in pairs:
        for key in old | new:
            values = old.get(key), new.get(key)
            if all(isinstance(value, dict) for value in values):
                # What has parts may get more, such as predictions for other masks.
                yield from _changed_parts(f"{prefix}{key} ", *values)
            elif values[0] != values[1]:
                yield f"{prefix}{key}: {values[0]} -> {values[1]}"


def _changed_parts(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[str]:
    for key in old.keys() & new.keys():
        if old[key] != new[key]:
            yield f"{prefix}{key}: {old[key]} -> {new[key]}"


def _joined(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Both, part by part, the later ones counting."""
    return {
        name: _joined(before[name], now[name])
        if isinstance(before.get(name), dict) and isinstance(now.get(name), dict)
        else now.get(name, before.get(name))
        for name in {**before, **now}
    }
