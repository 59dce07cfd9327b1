"""A disk that fills up or becomes read-only, as far as the machine lets tests have one.

Where namespaces can be had, it is memory, mounted where only the program under test sees it. Else a
limit on the size of files stands for a full disk, and permissions for one that is read-only.
"""

import errno
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_MAY_MOUNT = "TESTS_MAY_MOUNT"


@functools.cache
def _prefix() -> tuple[str, ...]:
    """What to start a program with, so that it can have such a disk."""
    unshare = ("unshare", "--user", "--map-root-user", "--mount")
    with tempfile.TemporaryDirectory() as folder:
        mount = ("mount", "-t", "tmpfs", "tmpfs", folder)
        found = subprocess.run([*unshare, *mount], capture_output=True)
    if found.returncode == 0:
        return (*unshare, "env", f"{_MAY_MOUNT}=1")
    # Permissions are for root, too, without this capability.
    return ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()


def run_script(script: str, *arguments: str, environment: dict[str, str] | None = None) -> Any:
    """Runs a Python script that may make :class:`Disk`; returns what its last line is as JSON."""
    done = subprocess.run(
        [*_prefix(), sys.executable, "-c", script, *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "stderr": done.stderr}


class Disk:
    """In the script: a small disk of its own, at a folder."""

    def __init__(self, folder: Path, megabytes: int = 64):
        self.folder = folder
        self._mounts = _MAY_MOUNT in os.environ
        self.full = os.strerror(errno.ENOSPC if self._mounts else errno.EFBIG)
        self.read_only = os.strerror(errno.EROFS if self._mounts else errno.EACCES)
        self.reasons = {"full": self.full, "read-only": self.read_only}
        if self._mounts:
            _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))

    def fill(self, process: int = 0) -> None:
        """Leaves no room, for a process (0: this one)."""
        if self._mounts:
            with (self.folder / "ballast").open("wb", buffering=0) as file:
                while os.statvfs(self.folder).f_bavail:
                    file.write(bytes(4096))
        else:
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.prlimit(process, resource.RLIMIT_FSIZE, (0, most))

    def free(self, process: int = 0) -> None:
        """Takes :meth:`fill` back."""
        if self._mounts:
            (self.folder / "ballast").unlink()
        else:
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))

    def protect(self) -> None:
        """Makes it read-only; what is open already can still be written to."""
        if self._mounts:
            _run("mount", "--bind", str(self.folder), str(self.folder))
            _run("mount", "-o", "remount,bind,ro", str(self.folder))
        else:
            _run("chmod", "-R", "a-w", str(self.folder))

    def unprotect(self) -> None:
        """Takes :meth:`protect` back."""
        if self._mounts:
            _run("umount", str(self.folder))
        else:
            _run("chmod", "-R", "u+w", str(self.folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
