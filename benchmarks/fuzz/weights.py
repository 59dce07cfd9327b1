"""Released weights: safetensors with a configuration in the header."""

import functools
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.damage import (
    HUGE_NUMBERS,
    NUMBERS,
    RANDOM,
    Random,
    as_json,
    chance,
    choose,
    damaged,
    damaged_value,
)
from benchmarks.fuzz.reader import Input, Reader
from jax_inpaint.config import GeneratorConfig, to_dict
from jax_inpaint.models import GENERATORS
from jax_inpaint.models.context_encoder import ContextEncoderConfig
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.partial_unet import PartialUNetConfig
from jax_inpaint.weights import WeightsError, load_weights, trained_size, variable_shapes

_CONFIGS = (
    ContextEncoderConfig(width=1),
    PartialUNetConfig(width=1, levels=2),
    DeepFillV2Config(width=2),
)
_DTYPES = (
    *("F32", "F16", "BF16", "F64", "I8", "U8", "I16", "I32", "I64", "BOOL"),
    *("F8_E4M3", "F8_E5M2", "F4", "C64", "F128", "f32"),
)
_TEXTS = ("", "null", "[]", "{}", "[64, 64]", "[64]", "[0, -1]", "1e999", "NaN", "[" * 10_000)


@functools.cache
def _whole(config: GeneratorConfig) -> tuple[dict[str, Any], bytes]:
    """Header and data of a file that is as it should be."""
    shapes = {
        name: shape for part in variable_shapes(config).values() for name, shape in part.items()
    }
    values = to_dict(config)
    header: dict[str, Any] = {
        "__metadata__": {
            "format": "jax_inpaint",
            "architecture": values.pop("architecture"),
            "config": json.dumps(values),
            "size": "[64, 64]",
        }
    }
    rng, end = np.random.default_rng(0), 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    return header, rng.normal(size=end // 4).astype(np.float32).tobytes()


def _file(header: bytes, data: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def _input(rng: Random) -> Input:
    header, data = _whole(choose(rng, (*_CONFIGS[:2] * 4, *_CONFIGS)))
    header = json.loads(json.dumps(header))
    metadata, length = header["__metadata__"], None
    way = rng.integers(9)
    if way == 0:
        header = damaged_value(rng, header)
    elif way == 1:
        metadata["config"] = as_json(
            rng, damaged_value(rng, json.loads(metadata["config"]))
        ).decode(errors="replace")
    elif way == 2:
        metadata["architecture"] = choose(rng, (*GENERATORS, "unet", "", "x" * 10_000))
    elif way == 3:
        metadata[choose(rng, ("size", "config", "format"))] = choose(rng, _TEXTS)
    elif way == 4:
        _change_a_tensor(rng, header)
    elif way == 5:
        length = int(choose(rng, (*NUMBERS, *HUGE_NUMBERS, 100_000_000, 100_000_001)))
    elif way == 6:
        numbers = np.frombuffer(data, np.float32).copy()
        numbers[rng.integers(len(numbers))] = choose(rng, (np.nan, np.inf, -np.inf, 1e-40))
        data = numbers.tobytes()
    elif way == 7:
        data = damaged(rng, data)
    text = as_json(rng, header) if way == 0 else json.dumps(header).encode()
    content = _file(text, data, length)
    if way == 8:
        content = damaged(rng, content)
    return Input({"weights.safetensors": content}, {"check_shapes": chance(rng, 3)})


def _change_a_tensor(rng: Random, header: dict[str, Any]) -> None:
    name = choose(rng, [name for name in header if name != "__metadata__"])
    tensor, way = header[name], rng.integers(5)
    if way == 0:
        tensor["dtype"] = choose(rng, _DTYPES)
    elif way == 1:
        tensor["shape"] = damaged_value(rng, tensor["shape"])
    elif way == 2:
        tensor["data_offsets"] = damaged_value(rng, tensor["data_offsets"])
    elif way == 3:
        number = choose(rng, (*NUMBERS, *HUGE_NUMBERS))
        tensor["shape"] = choose(rng, ([0, number], [number, 0, number], [1] * 100, [number], []))
    else:
        names = ("", ".", "a..b", f"{name}.more", name.rpartition(".")[0], "a." * 5000, "mean")
        header[choose(rng, names)] = header.pop(name)


def _read(folder: Path, check_shapes: bool) -> None:
    path = folder / "weights.safetensors"
    try:
        size = trained_size(path)
        assert size is None or all(type(side) is int and side > 0 for side in size)
    except WeightsError:
        pass  # the rest may be as it should be
    config, variables = load_weights(path, check_shapes)
    assert isinstance(config, GeneratorConfig)
    for name, tensor in _leaves(variables):
        assert tensor.dtype == np.float32, name
        assert np.isfinite(tensor).all(), name


def _leaves(tree: Any, name: str = "") -> Any:
    if isinstance(tree, dict):
        for key, part in tree.items():
            yield from _leaves(part, f"{name}.{key}")
    else:
        yield name, tree


READERS = [Reader("weights", RANDOM, _input, _read)]
