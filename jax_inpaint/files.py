"""Files that are there whole or not at all, and zip files that are no bombs."""

import os
import secrets
import zipfile
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file, replacing an older one in a single step. Raises OSError.

    The bytes are on the disk before the name is: after a power loss, too, there is the old file or
    the new one, and never an empty one.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Waits until what was written to a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_stored(path: Path) -> None:
    """Raises ValueError if a zip file claims to hold more than its own size.

    Neither PyTorch's files nor NumPy's are compressed. Raises zipfile's errors, too.
    """
    with zipfile.ZipFile(path) as file:
        claimed = sum(part.file_size for part in file.infolist())
    if claimed > (size := path.stat().st_size):
        raise ValueError(f"a zip file of {size} bytes claims to hold {claimed}")
