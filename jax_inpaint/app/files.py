"""Files for browsers, in a folder of the page's own."""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from jax_inpaint.images import Picture, write_picture

KEPT = 7200  # seconds after their last use


class BrowserFiles:
    """Files that browsers are sent, kept for a while in a temporary folder."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="jax_inpaint-")

    def shown(self, picture: Picture, suffix: str = ".jpg") -> str:
        """A file to look at, written once: Gradio would write over one that is being sent."""
        name = hashlib.blake2b(picture.pixels.tobytes(), digest_size=16).hexdigest()
        path = Path(self._folder.name) / f"{name}-{picture.size[1]}{suffix}"
        try:
            os.utime(path)  # it is in use
        except FileNotFoundError:
            write_picture(path, picture, force=True)
        return str(path)

    def download(self, name: str, picture: Picture) -> str:
        """A file of this name, with all that the picture carries."""
        path = Path(tempfile.mkdtemp(dir=self._folder.name)) / name
        write_picture(path, picture)
        return str(path)

    def forget_old(self) -> None:
        """Removes what nobody has used for a while."""
        for path in Path(self._folder.name).iterdir():
            with contextlib.suppress(FileNotFoundError):  # another visitor's, just now
                if time.time() - path.stat().st_mtime > KEPT:
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()

    def close(self) -> None:
        """Removes them all."""
        self._folder.cleanup()
