"""The weights that the page offers, loaded when they are first wanted."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.network import FillError


class Models:
    """Inpainters by the name of their weights and their device, each loaded once.

    Args:
        paths: weights files, or folders of runs.
        load: makes an inpainter of a path and a device's name.

    Raises:
        FillError: if there are none.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        load: Callable[..., Inpainter] = Inpainter.load,
    ):
        if not paths:
            raise FillError("no weights: name a weights file, or the workdir of a training run")
        self._paths: dict[str, Path] = {}
        for path in map(Path, paths):
            name = path.stem if path.suffix == ".safetensors" else path.name
            self._paths[str(path) if name in self._paths else name] = path
        self._load = load
        self._loaded: dict[tuple[str, str], Inpainter] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Of the weights."""
        return list(self._paths)

    @property
    def devices(self) -> list[str]:
        """All of this machine, the preferred first."""
        devices = [*jax.local_devices(), *jax.local_devices(backend="cpu")]
        return list(dict.fromkeys(f"{device.platform}:{device.id}" for device in devices))

    def get(self, name: str, device: str) -> Inpainter:
        """The inpainter of these weights on a device.

        Raises:
            FillError: if there are no such weights or no such device.
            WeightsError: if the weights can't be used.
        """
        if name not in self._paths:
            raise FillError(f"there are no weights {name!r}, but {', '.join(self._paths)}")
        with self._lock:
            if (name, device) not in self._loaded:
                self._loaded[name, device] = self._load(self._paths[name], device=device)
            return self._loaded[name, device]
