"""A folder that one program works in at a time."""

import contextlib
import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

# What file systems without locks answer.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


class LockedError(Exception):
    """Another program works in the folder; the message is its process and host, if known."""


@contextlib.contextmanager
def locked(folder: Path, kind: str) -> Iterator[None]:
    """Keeps other programs of this ``kind`` out of a folder until the block ends.

    The lock is advisory (``flock`` on ``.lock``) and goes with this process, however it ends. A
    file system without locks is warned of, and used.

    Raises:
        LockedError: if another one works there.
        OSError: if the folder can't be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Python lets no program inherit it, so that workers that outlive a run don't hold its lock.
    with (folder / ".lock").open("a+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LockedError(file.read().decode(errors="replace").strip()) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            logger.warning(
                "%s is on a file system without locks (%s): nothing keeps a second %s from it",
                folder,
                error.strerror,
                kind,
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on host {socket.gethostname()}\n".encode())
        yield
