"""Released weights: one safetensors file with the generator's configuration in its header.

Any safetensors reader opens it. Tensors are float32 named by their path (``coarse.conv1.conv.kernel``,
kernels as height, width, channels in, channels out); the header's ``config`` is JSON.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import traverse_util

from jax_inpaint.config import GeneratorConfig, from_dict, to_dict
from jax_inpaint.models import build_generator

FILE_NAME = "weights.safetensors"


class WeightsError(ValueError):
    """A weights file that can't be used; the message says why."""


def save_weights(path: str | os.PathLike[str], config: GeneratorConfig, params: Any) -> None:
    """Writes a generator's parameters and configuration, atomically."""
    path = Path(path)
    tensors = {
        name: np.ascontiguousarray(value)
        for name, value in traverse_util.flatten_dict(jax.device_get(params), sep=".").items()
    }
    header = {
        "format": "jax_inpaint",
        "architecture": "deepfillv2",
        "config": json.dumps(to_dict(config)),
    }
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        safetensors.numpy.save_file(tensors, temporary, header)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load_weights(path: str | os.PathLike[str]) -> tuple[GeneratorConfig, dict[str, Any]]:
    """Reads what :func:`save_weights` wrote.

    Args:
        path: the file, or the folder of a run that holds one.

    Raises:
        WeightsError: if there is no such file, or it isn't one of ours, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / FILE_NAME).exists():
            raise WeightsError(f"{path} holds no {FILE_NAME}; has a training run written one there?")
        path = path / FILE_NAME
    if not path.exists():
        raise WeightsError(f"{path}: there is no such file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(f"{path} can't be read as safetensors ({error})") from error
    if header.get("format") != "jax_inpaint":
        raise WeightsError(f"{path} wasn't written by jax_inpaint: its header has no configuration")
    config = from_dict(GeneratorConfig, json.loads(header["config"]))
    expected = traverse_util.flatten_dict(_shapes(config), sep=".")
    found = {name: tensor.shape for name, tensor in tensors.items()}
    wrong = [
        f"{name}: {found.get(name, 'missing')} instead of {expected.get(name, 'nothing')}"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]
    if wrong:
        raise WeightsError(f"{path} doesn't fit its own configuration: {'; '.join(wrong[:5])}")
    return config, traverse_util.unflatten_dict(tensors, sep=".")


def _shapes(config: GeneratorConfig) -> dict[str, Any]:
    image, mask = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 16, 16, 1))
    sketch = mask if config.sketch else None
    params = jax.eval_shape(build_generator(config).init, jax.random.key(0), image, mask, sketch)
    return jax.tree.map(lambda leaf: leaf.shape, params["params"])
