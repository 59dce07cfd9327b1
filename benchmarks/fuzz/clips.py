"""Clips."""

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.damage import RANDOM, Random, choose, damaged
from benchmarks.fuzz.reader import Input, Reader
from jax_inpaint.images import Picture
from jax_inpaint.inference.inpainter import Inpainter, Task
from jax_inpaint.inference.video import fill_video, still_hole

_SIZE = (48, 64)
_CODECS = {"a.mkv": "ffv1", "b.mp4": "libx264", "c.mp4": "mpeg4", "d.webm": "libvpx-vp9"}


@functools.cache
def _whole_clips() -> dict[str, bytes]:
    """A few frames of noise in every container."""
    import av

    rng, found = np.random.default_rng(0), {}
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in _CODECS.items():
            path = Path(folder, name)
            with av.open(str(path), "w") as clip:
                stream = clip.add_stream(codec, rate=24)
                stream.height, stream.width = _SIZE
                stream.pix_fmt = "yuv420p"
                for _ in range(4):
                    pixels = rng.integers(0, 256, (*_SIZE, 3), np.uint8)
                    clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
                clip.mux(stream.encode(None))
            found[name] = path.read_bytes()
    return found


class _NoNetwork(Inpainter):
    """Leaves pictures as they are."""

    def __init__(self) -> None:
        pass

    def fill(self, tasks: Sequence[Task], *_: Any) -> list[Picture]:
        return [task.picture for task in tasks]


def _input(rng: Random) -> Input:
    name = choose(rng, tuple(_CODECS))
    return Input({name: damaged(rng, _whole_clips()[name], most=6)}, {"name": name})


def _read(folder: Path, name: str) -> None:
    output = folder / f"out{Path(name).suffix}"
    hole = np.zeros(_SIZE, bool)
    hole[10:20, 10:20] = True
    count = fill_video(_NoNetwork(), folder / name, still_hole(hole), output)
    assert count > 0
    assert output.stat().st_size > 0


READERS = [Reader("clips", RANDOM, _input, _read, share=0.05)]
