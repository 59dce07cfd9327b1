"""What a checkpoint's files were when it was saved, so that damage is found before they are used.

``manifest.json`` in the checkpoint's folder: size and SHA-256 of every file, the figures of the
validation, and a SHA-256 of all that.
"""

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jax_inpaint.files import sync
from jax_inpaint.training.workdir import WorkdirError

FILE_NAME = "manifest.json"


class DamagedError(WorkdirError):
    """A checkpoint that isn't what was saved; the message names the file and what is wrong."""


def write_manifest(folder: Path, figures: Mapping[str, float] | None) -> None:
    """Writes the manifest of all files in a folder; all of them are on the disk when it returns.

    Args:
        folder: of the checkpoint.
        figures: of the validation, kept beside; None where there was none.

    Raises:
        OSError: if a file can't be read or the manifest not be written.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor() as pool:
        entries = pool.map(_entry, paths)
    files = {
        str(path.relative_to(folder)): entry for path, entry in zip(paths, entries, strict=True)
    }
    content: dict[str, Any] = {
        "figures": figures and dict(figures),
        "files": files,
    }
    content["sha256"] = _digest_of(content)
    (folder / FILE_NAME).write_text(json.dumps(content, indent=1) + "\n")
    for path in (*folder.rglob("*"), folder):
        sync(path)


def verify(folder: Path) -> dict[str, float] | None:
    """Compares the files of a checkpoint with its manifest; returns the figures kept there.

    Raises:
        DamagedError: names the first file that isn't what was saved.
        OSError: if a file can't be read, though its disk doesn't report damage.
    """
    manifest = _read(folder / FILE_NAME)
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(
            lambda item: _require_same(folder / item[0], item[1]), manifest["files"].items()
        ):
            pass
    figures: dict[str, float] | None = manifest["figures"]
    return figures


def _read(path: Path) -> dict[str, Any]:
    with _damage_told(path):
        data = path.read_bytes()
    try:
        manifest = json.loads(data)
        digest = manifest.pop("sha256")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged (it can't be read as a manifest)") from error
    if digest != _digest_of(manifest):
        raise DamagedError(f"{path} is damaged (its contents don't have its own SHA-256)")
    return dict(manifest)


def _require_same(path: Path, expected: dict[str, Any]) -> None:
    with _damage_told(path):
        found = _entry(path)
    if found["size"] != expected["size"]:
        raise DamagedError(
            f"{path} is damaged ({found['size']} bytes instead of {expected['size']})"
        )
    if found != expected:
        raise DamagedError(f"{path} is damaged (its contents don't have the SHA-256 they had)")


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Takes for damage what the file system says only where it can't pass by itself."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DamagedError(f"{path} is missing") from error
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise DamagedError(f"{path} is damaged ({error.strerror})") from error


def _entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"size": file.tell(), "sha256": digest}


def _digest_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
