"""Checkpoints of other systems: PyTorch's files, and TensorFlow's."""

import functools
import io
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.damage import (
    HUGE_NUMBERS,
    NUMBERS,
    RANDOM,
    Random,
    chance,
    choose,
    damaged,
    damaged_blocks,
)
from benchmarks.fuzz.reader import Input, Reader
from benchmarks.fuzz.tensorflow_checkpoint import Table, field, masked, varint
from jax_inpaint import tensorflow_files, torch_files
from jax_inpaint.convert import convert
from jax_inpaint.torch_files import TensorFileError


@functools.cache
def _torch_files() -> tuple[bytes, ...]:
    import torch

    tensors = {
        "single": torch.arange(6.0).reshape(2, 3),
        "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
        "steps": torch.tensor(7),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "view": torch.arange(12.0).reshape(3, 4).T[1:],
    }
    nested = {
        "state_dict": OrderedDict(tensors),
        "epoch": 3,
        "settings": [{"betas": (0.5, 0.9), "name": "adam"}],
    }
    found = []
    for content in (tensors, nested):
        for zipped in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
            found.append(buffer.getvalue())
    return tuple(found)


def _torch_input(rng: Random) -> Input:
    data = choose(rng, _torch_files())
    if data.startswith(b"PK") and rng.integers(4):
        data = _with_damaged_parts(rng, data)
    else:
        data = damaged(rng, data)
    return Input({"weights.pth": data}, {"skip_objects": bool(rng.integers(2))})


def _with_damaged_parts(rng: Random, data: bytes) -> bytes:
    """A zip file with sums that are right of parts that aren't, the pickle most of all."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = [(name.encode(), file.read(name)) for name in file.namelist()]
    if chance(rng, 3):
        parts = damaged_blocks(rng, parts)
    else:
        number = next(i for i, (name, _) in enumerate(parts) if name.endswith(b"data.pkl"))
        parts[number] = parts[number][0], damaged(rng, parts[number][1], most=3)
    compression = zipfile.ZIP_DEFLATED if chance(rng, 10) else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in dict(parts).items():
            file.writestr(name.decode(errors="replace"), content)
    return buffer.getvalue()


def _read_torch(folder: Path, skip_objects: bool) -> None:
    read = torch_files.read_checkpoint(folder / "weights.pth", skip_objects=skip_objects)
    assert isinstance(read, dict)
    # No file holds a generator whole, so none can be converted.
    try:
        convert(folder / "weights.pth")
    except TensorFileError:
        return
    raise AssertionError("it was converted")


def _tensorflow_input(rng: Random) -> Input:
    """A table with sums that are right, of entries that aren't; or damaged afterwards."""
    data, entries = b"", [(b"", field(1, 1) + field(3, field(1, 1)))]
    for number in range(rng.integers(1, 6)):
        values = rng.normal(size=(2, number)).astype(np.float32).tobytes()
        shape = field(2, b"".join(field(2, field(1, size)) for size in (2, number)))
        fields = [field(1, 1), shape, field(3, 0), field(4, len(data)), field(5, len(values))]
        fields.append(varint(6 << 3 | 5) + masked(values))
        entries.append((f"net/conv{number}/kernel".encode(), b"".join(_odd(rng, fields))))
        data += values
    if chance(rng, 3):
        entries = damaged_blocks(rng, entries)
    table = Table()
    try:
        index = table.finish([(entries[-1][0] if entries else b"", table.block(entries))])
    except (IndexError, ValueError):
        index = b""
    if chance(rng, 3):
        index = damaged(rng, index)
    if chance(rng, 8):
        data = damaged(rng, data)
    latest = choose(rng, ("snap-0", "/", "..", "snap-0.index", "é\0", "x" * 400)).encode()
    return Input(
        {
            "snap-0.index": index,
            "snap-0.data-00000-of-00001": data,
            "checkpoint": b'model_checkpoint_path: "' + latest + b'"\n',
        },
        {"by_folder": chance(rng, 4)},
    )


def _odd(rng: Random, fields: list[bytes]) -> list[bytes]:
    """An entry's fields, perhaps with another number, another kind of value or damage in one."""
    if chance(rng, 2):
        number = int(rng.integers(len(fields)))
        value: Any = choose(rng, (*NUMBERS, *HUGE_NUMBERS, b"", b"\xff" * 9, field(2, b"abc")))
        fields[number] = choose(
            rng, (field(number + 1, value), damaged(rng, fields[number]), field(2, field(2, value)))
        )
    return fields


def _read_tensorflow(folder: Path, by_folder: bool) -> None:
    prefix = tensorflow_files.find_checkpoint(folder if by_folder else folder / "snap-0")
    if prefix is None:
        raise TensorFileError("there is none")
    for name, tensor in tensorflow_files.read_checkpoint(prefix).items():
        assert isinstance(name, str)
        assert isinstance(tensor, np.ndarray)


READERS = [
    Reader("PyTorch files", RANDOM, _torch_input, _read_torch, share=0.5),
    Reader("TensorFlow checkpoints", RANDOM, _tensorflow_input, _read_tensorflow, share=0.5),
]
