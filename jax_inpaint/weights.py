"""Released weights: one safetensors file with the generator's configuration in its header.

Any safetensors reader opens it. Tensors are float32 named by their path, such as
``coarse.conv1.conv.kernel`` (kernels as height, width, channels in, channels out); the header's
``config`` is JSON.
"""

import json
import os
from pathlib import Path
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from jax_inpaint.config import Dtype, GeneratorConfig, from_dict, to_dict
from jax_inpaint.files import write_atomically
from jax_inpaint.models import build_generator

FILE_NAME = "weights.safetensors"

_ORIGIN = {"format": "jax_inpaint", "architecture": "deepfillv2"}


class WeightsError(ValueError):
    """A weights file that can't be used; the message names it and says why."""


def save_weights(path: str | os.PathLike[str], config: GeneratorConfig, params: Any) -> None:
    """Writes a generator's parameters and configuration, atomically; replaces an older file."""
    tensors = {
        name: np.ascontiguousarray(value)
        for name, value in traverse_util.flatten_dict(jax.device_get(params), sep=".").items()
    }
    header = {**_ORIGIN, "config": json.dumps(to_dict(config))}
    write_atomically(Path(path), safetensors.numpy.save(tensors, header))


def load_weights(path: str | os.PathLike[str]) -> tuple[GeneratorConfig, dict[str, Any]]:
    """Reads what :func:`save_weights` wrote.

    Args:
        path: the file, or the folder of a run that holds one.

    Raises:
        WeightsError: if there is no such file, it isn't one of ours, its tensors aren't those of
            its configuration, finite and float32, or it is damaged.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir may raise)
        path = path / FILE_NAME
        if not os.path.lexists(path):
            raise WeightsError(
                f"{path.parent} holds no {FILE_NAME}; has a training run written one there?"
            )
    try:
        path.open("rb").close()  # says why it fails; safe_open would say that there is no such file
        with safetensors.safe_open(path, framework="numpy") as file:
            config = _read_config(path, file.metadata() or {})
            _check_tensors(path, config, file)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"{path}: there is no such file") from None
    except (safetensors.SafetensorError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path} can't be read as safetensors ({reason})") from error
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{path}: {name} holds NaN or infinity; the training run diverged")
    return config, traverse_util.unflatten_dict(tensors, sep=".")


def _read_config(path: Path, header: dict[str, str]) -> GeneratorConfig:
    origin = {name: header.get(name) for name in _ORIGIN}
    if origin != _ORIGIN:
        raise WeightsError(
            f"{path} holds no weights of jax_inpaint: its header has {origin} instead of {_ORIGIN}"
        )
    text = header.get("config", "")
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it isn't an object")
        for name, default in to_dict(GeneratorConfig()).items():
            value = values.get(name, default)
            if type(value) is not type(default):
                raise ValueError(f"{name} is {value!r}, no {type(default).__name__}")
        if values.get("compute_dtype", "float32") not in get_args(Dtype):
            raise ValueError(f"compute_dtype is {values['compute_dtype']}, not {get_args(Dtype)}")
        config = from_dict(GeneratorConfig, values)
    except ValueError as error:
        raise WeightsError(
            f"{path}: the header's config {text!r} can't be used ({error})"
        ) from error
    return config


def _check_tensors(path: Path, config: GeneratorConfig, file: Any) -> None:
    expected = {
        name: f"F32 {shape}"
        for name, shape in traverse_util.flatten_dict(_shapes(config), sep=".").items()
    }
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


def _shapes(config: GeneratorConfig) -> dict[str, Any]:
    image, mask = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 16, 16, 1))
    sketch = mask if config.sketch else None
    params = jax.eval_shape(build_generator(config).init, jax.random.key(0), image, mask, sketch)
    return jax.tree.map(lambda leaf: leaf.shape, params["params"])
