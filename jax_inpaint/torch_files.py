"""Tensors out of PyTorch's files: ``.pth``, ``.pt`` and ``.ckpt`` through torch, or safetensors.

These files are pickles, which may name any function to call. Nothing of the kind happens here:
``torch.load(weights_only=True)`` builds tensors and plain values and refuses all else.
"""

import os
import re
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import safetensors

from jax_inpaint.errors import UserError
from jax_inpaint.files import require_stored

# What PyTorch calls the leaves of Flax's layers.
TORCH_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


_SHARED = 4  # tensors that may share their values, as tied weights do


class TensorFileError(UserError):
    """A file of tensors that can't be used; the message names it and says why."""


def read_tensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a flat file of named tensors, such as a state dict; see :func:`read_checkpoint`.

    Raises:
        TensorFileError: also where something besides tensors is found.
    """
    tensors = read_checkpoint(path)
    others = [name for name, value in tensors.items() if not isinstance(value, np.ndarray)]
    if others:
        raise TensorFileError(
            f"{path} is no plain file of tensors: it also holds {_first(map(repr, others))}"
        )
    return tensors


def read_checkpoint(path: str | os.PathLike[str], *, skip_objects: bool = False) -> dict[Any, Any]:
    """Reads a checkpoint: dictionaries and lists of arrays and plain values, nested as saved.

    Args:
        path: a ``.safetensors`` file, read as it is; any other is read by torch.
        skip_objects: leave out entries that are objects of some class, as the callbacks and
            settings in checkpoints of PyTorch Lightning are. An inert stand-in takes the place of
            every class or function that the file names, and is dropped afterwards with all that it
            was given; nothing is imported. Refused all the same are files with containers of a
            class of their own (but ``defaultdict``), with objects in PyTorch's format before 1.6,
            or with functions of modules that torch never allows (``os``, ``sys``).

    Returns:
        Floating-point tensors as float32, whatever they were stored as; others in their own type.

    Raises:
        TensorFileError: if there is no such file, torch isn't installed but needed, the file is
            damaged, or it holds objects that aren't skipped.
    """
    path = Path(path)
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise TensorFileError(f"{path}: there is no such file") from None
    except OSError as error:
        raise TensorFileError(f"{path} can't be read ({error.strerror})") from error
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _read_pickle(path, skip_objects)


def require_shapes(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Checks that exactly the named tensors are there, in those shapes.

    Raises:
        TensorFileError: naming tensors that are missing, left over or of another shape.
    """
    found = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = [
        f"{name}: {found.get(name, 'missing')} instead of {shapes.get(name, 'nothing')}"
        for name in sorted(found.keys() | shapes.keys())
        if found.get(name) != shapes.get(name)
    ]
    if wrong:
        raise TensorFileError(f"{path} doesn't hold the tensors it should: {_first(wrong)}")


def _first(items: Any, count: int = 5) -> str:
    items = list(items)
    more = f" and {len(items) - count} more" if len(items) > count else ""
    return ", ".join(items[:count]) + more


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {name: _widen(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    # NumPy's own complaints about types and shapes it doesn't know come as they please.
    except (safetensors.SafetensorError, OSError, TypeError, AttributeError, ValueError) as error:
        raise TensorFileError(f"{path} can't be read as safetensors ({error})") from error


def _read_pickle(path: Path, skip_objects: bool) -> dict[Any, Any]:
    try:
        import torch
    except ImportError:
        raise TensorFileError(
            f"{path} takes PyTorch to read: `pip install 'jax_inpaint[convert]'`, or name a "
            ".safetensors file of the same tensors"
        ) from None
    try:
        with ExitStack() as stack:
            zipped = zipfile.is_zipfile(path)
            if zipped:
                require_stored(path)
            if skip_objects and zipped:
                names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
                stand_ins: list[Any] = [(_stand_in(name), name) for name in names]
                stack.enter_context(torch.serialization.safe_globals(stand_ins))
            content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__} instead of a dictionary")
        return _plain(content, most_bytes=_SHARED * path.stat().st_size)
    # Damage surfaces as whatever the parser stumbles over.
    except Exception as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused:
            raise TensorFileError(
                f"{path} holds more than tensors: unpickling its {refused[1]} could run any code, "
                "so the file is refused"
            ) from error
        # What torch says before that is advice to read the file unsafely.
        message = str(error).rpartition("WeightsUnpickler error:")[2].strip() or "it ends early"
        reason = f"{type(error).__name__}: {message.splitlines()[0].split('. ')[0]}"
        raise TensorFileError(
            f"{path} is damaged, or isn't a PyTorch file of tensors ({reason})"
        ) from error


class _Object:
    """Stands in for an object: takes whatever it is built from and keeps none of it."""

    def __new__(cls, *_: Any) -> "_Object":
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None:
        pass


def _stand_in(name: str) -> Any:
    # A defaultdict is filled item by item, which the unpickler grants to plain dictionaries only.
    return (lambda *_: {}) if name == "collections.defaultdict" else _Object


def _plain(content: Any, most_bytes: int) -> Any:
    """Tensors as arrays, objects left out; what occurs in several places is converted once."""
    done: dict[int, Any] = {}
    claimed = 0

    def plain(value: Any) -> Any:
        if id(value) not in done:
            done[id(value)] = convert(value)
        return done[id(value)]

    def convert(value: Any) -> Any:
        nonlocal claimed
        if isinstance(value, dict):
            return {
                key: plain(item)
                for key, item in value.items()
                if not (_is_object(key) or _is_object(item))
            }
        if isinstance(value, list | tuple):
            return type(value)(plain(item) for item in value if not _is_object(item))
        if hasattr(value, "detach"):
            # Strides can make a huge tensor of one number.
            claimed += value.numel() * value.element_size()
            if claimed > most_bytes:
                raise ValueError("its tensors claim to be far larger than the file")
            value = value.detach()
            return (value.float() if value.is_floating_point() else value).numpy()
        return value

    return plain(content)


def _is_object(value: Any) -> bool:
    return value is _Object or isinstance(value, _Object)


def _widen(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if jnp.issubdtype(array.dtype, jnp.floating) else array
