"""Writing files so that they are there whole or not at all."""

import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file, replacing an older one in a single step. Raises OSError."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
