"""Released weights: one safetensors file with the generator's configuration in its header.

Any safetensors reader opens it. Tensors are float32 named by their path, such as
``coarse.conv1.conv.kernel`` (kernels as height, width, channels in, channels out); the header's
``config`` is JSON.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from jax_inpaint.config import GeneratorConfig, Size, from_dict, to_dict
from jax_inpaint.errors import UserError
from jax_inpaint.files import write_atomically
from jax_inpaint.models import GENERATORS

FILE_NAME = "weights.safetensors"

_FORMAT = "jax_inpaint"
_MOST_AXES = 8  # of a tensor
_DEEPEST = 32  # modules within modules

Variables = dict[str, Any]  # "params", and "batch_stats" (empty without batch norm)


class WeightsError(UserError):
    """A weights file that can't be used; the message names it and says why."""


def save_weights(
    path: str | os.PathLike[str],
    config: GeneratorConfig,
    variables: Variables,
    size: Size | None = None,
) -> None:
    """Writes a generator's variables and configuration, atomically; replaces an older file.

    ``size`` is the height and width, pixels, of the images that it was trained on, if known.
    """
    tensors = {
        name: np.ascontiguousarray(value)
        for collection in jax.device_get(variables).values()
        for name, value in traverse_util.flatten_dict(collection, sep=".").items()
    }
    values = to_dict(config)
    header = {
        "format": _FORMAT,
        "architecture": values.pop("architecture"),
        "config": json.dumps(values),
    }
    if size is not None:
        header["size"] = json.dumps(size)
    write_atomically(Path(path), safetensors.numpy.save(tensors, header))


def trained_size(path: str | os.PathLike[str]) -> Size | None:
    """Height and width of the images that weights were trained on; None if the file doesn't tell.

    Raises WeightsError as :func:`load_weights`, which looks at the rest of the file.
    """
    path = weights_file(Path(path))
    with _telling_what_is_wrong(path), safetensors.safe_open(path, framework="numpy") as file:
        text = (file.metadata() or {}).get("size", "null")
    try:
        size = json.loads(text)
        if size is None:
            return None
        height, width = size
        if not (type(height) is type(width) is int and 0 < min(size) <= max(size) < 2**20):
            raise ValueError("it isn't two numbers of pixels")
    except (TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: the header's size can't be used: {error}: {text!r}") from error
    return height, width


def load_weights(
    path: str | os.PathLike[str], check_shapes: bool = True
) -> tuple[GeneratorConfig, Variables]:
    """Reads what :func:`save_weights` wrote.

    Args:
        path: the file, or the folder of a run that holds one.
        check_shapes: whether tensors are compared with those that the configuration asks for, for
            which the generator has to be traced. Flax does it anew when it is used.

    Raises:
        WeightsError: if there is no such file, it isn't one of ours, its tensors aren't those of
            its configuration, finite and float32, or it is damaged.
    """
    path = weights_file(Path(path))
    with _telling_what_is_wrong(path), safetensors.safe_open(path, framework="numpy") as file:
        config = _read_config(path, file.metadata() or {})
        if check_shapes:
            _check_tensors(path, variable_shapes(config), file)
        _check_forms(path, file)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{path}: {name} holds NaN or infinity; the training run diverged")
    flat: dict[str, dict[str, np.ndarray]] = {"params": {}, "batch_stats": {}}
    for name, tensor in tensors.items():
        flat[_collection(name)][name] = tensor
    try:
        variables = {
            kind: traverse_util.unflatten_dict(part, sep=".") for kind, part in flat.items()
        }
    except (IndexError, TypeError) as error:  # a tensor within a tensor
        raise WeightsError(f"{path} has names of tensors that can't be") from error
    return config, variables


def weights_file(path: Path) -> Path:
    """The file itself, or the one in the folder of a run; raises WeightsError if it has none."""
    if not os.path.isdir(path):  # noqa: PTH112 (Path.is_dir may raise)
        return path
    if not os.path.lexists(path / FILE_NAME):
        raise WeightsError(f"{path} holds no {FILE_NAME}; has a training run written one there?")
    return path / FILE_NAME


@contextlib.contextmanager
def _telling_what_is_wrong(path: Path) -> Iterator[None]:
    """Turns what safetensors and the system raise into a WeightsError that names the file."""
    try:
        path.open("rb").close()  # says why it fails; safe_open would say that there is no such file
        yield
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file") from None
    except (safetensors.SafetensorError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path} can't be read as safetensors ({reason})") from error


def _read_config(path: Path, header: dict[str, str]) -> GeneratorConfig:
    if header.get("format") != _FORMAT:
        raise WeightsError(
            f"{path} holds no weights of jax_inpaint: its header's format is "
            f"{header.get('format')!r} instead of {_FORMAT!r}; `jax-inpaint convert` reads the "
            "checkpoints of other systems"
        )
    architecture = header.get("architecture", "")
    kind = GENERATORS.get(architecture)
    if kind is None:
        raise WeightsError(
            f"{path} is for the architecture {architecture!r}, which isn't one of "
            f"{', '.join(GENERATORS)}; was it written by a newer version?"
        )
    text = header.get("config", "")
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it isn't an object")
        return from_dict(kind, values)
    except (ValueError, RecursionError) as error:
        raise WeightsError(
            f"{path}: the header's config can't be used: {error}: {text!r}"
        ) from error


def _collection(name: str) -> str:
    """Where Flax keeps a tensor: batch normalisation's running moments apart."""
    return "batch_stats" if name.rpartition(".")[-1] in ("mean", "var") else "params"


def _check_tensors(path: Path, shapes: dict[str, dict[str, tuple[int, ...]]], file: Any) -> None:
    expected = {name: f"F32 {shape}" for part in shapes.values() for name, shape in part.items()}
    found = {}
    for name in file.keys():  # noqa: SIM118
        tensor = file.get_slice(name)
        found[name] = f"{tensor.get_dtype()} {tuple(tensor.get_shape())}"
    wrong = [
        f"{name}: {found.get(name, 'missing')} instead of {expected.get(name, 'nothing')}"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise WeightsError(f"{path} doesn't fit its own config: {'; '.join(wrong[:5])}{more}")


def _check_forms(path: Path, file: Any) -> None:
    """What holds for the tensors of any network, and what arrays can be made of."""
    for name in file.keys():  # noqa: SIM118
        tensor = file.get_slice(name)
        dtype, shape = tensor.get_dtype(), tensor.get_shape()
        if dtype != "F32":
            raise WeightsError(f"{path}: {name} is {dtype} instead of F32")
        if len(shape) > _MOST_AXES or 0 in shape:
            raise WeightsError(f"{path}: {name} has the shape {shape}, as no layer's tensor has")
        if name.count(".") > _DEEPEST:
            raise WeightsError(f"{path} has names of tensors that can't be, such as {name}")


def variable_shapes(config: GeneratorConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes of a generator's variables by collection and name."""
    side = config.multiple * 2
    image, mask = (jax.ShapeDtypeStruct((1, side, side, n), jnp.float32) for n in (3, 1))
    sketch = mask if config.takes_sketch else None
    variables = jax.eval_shape(config.build().init, jax.random.key(0), image, mask, sketch)
    return {
        collection: {
            name: leaf.shape
            for name, leaf in traverse_util.flatten_dict(
                variables.get(collection, {}), sep="."
            ).items()
        }
        for collection in ("params", "batch_stats")
    }
