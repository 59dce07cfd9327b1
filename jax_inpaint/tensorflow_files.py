"""Tensors out of TensorFlow's checkpoints, without TensorFlow.

A checkpoint ``snap-0`` (format V2, "tensor bundle") is two kinds of files. ``snap-0.index`` is a
LevelDB table: blocks of sorted names, each with a protocol buffer that says what the tensor is and
where ``snap-0.data-00000-of-00001`` has its bytes.
"""

import itertools
import math
import os
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jax_inpaint.torch_files import TensorFileError

_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48

# More than any network has: what a file may ask for is bounded before memory is taken.
_MOST_TENSORS, _LONGEST_NAME, _MOST_AXES = 100_000, 1024, 64

_TYPES: dict[int, Any] = {  # by number in TensorFlow's DataType; text and resources aren't read
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    9: np.int64,
    10: np.bool_,
    14: jnp.bfloat16,
    17: np.uint16,
    19: np.float16,
    22: np.uint32,
    23: np.uint64,
}


def find_checkpoint(source: Path) -> Path | None:
    """The prefix (such as ``.../snap-0``) of the checkpoint that a path means; None if it's none.

    Args:
        source: the prefix itself, one of the checkpoint's files, or a folder: in it the checkpoint
            that its file ``checkpoint`` names as the latest, or the only one.

    Raises:
        TensorFileError: if it's a checkpoint of TensorFlow's old format, the one that a folder
            names isn't there, or there are several.
    """
    if os.path.isdir(source):  # noqa: PTH112 (Path.is_dir and is_file may raise)
        latest = source / "checkpoint"
        named = re.match(r'model_checkpoint_path: *"(.+)"', _text(latest))
        if named:
            name = Path(named[1]).name  # folders move; files in them stay together
            found = _find_by_name(source / name) if name else None
            if found is None:
                raise TensorFileError(f"{latest} names {named[1]}, but there is no {source / name}")
            return found
        indices = sorted(source.glob("*.index"))
        if len(indices) > 1:
            names = ", ".join(index.stem for index in indices[:5])
            raise TensorFileError(f"{source} holds several checkpoints ({names}, ...); name one")
        return indices[0].with_suffix("") if indices else None
    return _find_by_name(source)


def _find_by_name(source: Path) -> Path | None:
    """The prefix of the checkpoint that a prefix or a file means."""
    prefix = source.with_name(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", source.name))
    if os.path.isfile(prefix.with_name(f"{prefix.name}.index")):  # noqa: PTH113
        return prefix
    if os.path.isfile(source) and _ends_like_a_table(source):  # noqa: PTH113
        raise TensorFileError(
            f"{source} is a checkpoint of TensorFlow's old format V1, which isn't read; in "
            "TensorFlow, restore it and save it with tf.compat.v1.train.Saver() as V2"
        )
    return None


def read_checkpoint(prefix: Path) -> dict[str, np.ndarray]:
    """Reads all tensors of numbers in a checkpoint, by name; texts are left out.

    Returns:
        Floating-point tensors as float32, whatever they were stored as; others in their own type.

    Raises:
        TensorFileError: if a file is missing, damaged (checksums are compared) or compressed, or a
            tensor is stored in slices.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    try:
        table = dict(_read_table(index.read_bytes()))
        header = dict(_fields(table.pop(b"")))
        if header.get(2, 0):
            raise ValueError("it is from a big-endian machine")
        tensors = {}
        unclaimed: dict[Path, int] = {}  # bytes of each file that belong to no tensor yet
        for key, message in table.items():
            if key.startswith(b"\0"):  # a slice; the tensor that it is of is refused
                continue
            name, entry = key.decode(), dict(_fields(message))
            if entry.get(1) not in _TYPES:
                continue
            if 7 in entry:
                raise TensorFileError(f"{index}: {name} is stored in slices, which aren't read")
            shard = prefix.with_name(
                f"{prefix.name}.data-{_number(entry, 3):05d}-of-{_number(header, 1):05d}"
            )
            start, length, whole = _number(entry, 4), _number(entry, 5), shard.stat().st_size
            unclaimed[shard] = unclaimed.get(shard, whole) - length
            if unclaimed[shard] < 0 or start + length > whole:
                raise TensorFileError(f"{shard} is damaged: it ends within {name}, or before it")
            tensors[name] = _read_tensor(shard, name, entry)
        return tensors
    except TensorFileError:
        raise
    except OSError as error:
        raise TensorFileError(f"{error.filename} can't be read ({error.strerror})") from error
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, struct.error) as error:
        raise TensorFileError(
            f"{index} is damaged, or isn't the index of a checkpoint ({error})"
        ) from error


def _ends_like_a_table(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_TABLE_MAGIC)))
        return file.read() == _TABLE_MAGIC


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if os.path.isfile(path) else ""  # noqa: PTH113


def _read_tensor(path: Path, name: str, entry: dict[int, Any]) -> np.ndarray:
    # The shape is a message of dimensions, each a message with its size.
    shape = [_number(dict(_fields(size)), 1) for _, size in _fields(entry.get(2, b""))]
    dtype = np.dtype(_TYPES[entry[1]])
    if len(shape) > _MOST_AXES:
        raise ValueError(f"{name} has {len(shape)} axes")
    with path.open("rb") as file:
        file.seek(_number(entry, 4))
        data = file.read(_number(entry, 5))
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} has {len(data)} bytes, which aren't those of its shape {shape}")
    if _masked_checksum(data) != entry.get(6, 0):
        raise TensorFileError(f"{path} is damaged: the checksum of {name} isn't right")
    array = np.frombuffer(data, dtype).reshape(shape)
    return array.astype(np.float32) if jnp.issubdtype(dtype, jnp.floating) else array


def _read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a LevelDB table."""
    footer = data[-_FOOTER:]
    if len(footer) < _FOOTER or not footer.endswith(_TABLE_MAGIC):
        raise ValueError("its end is missing")
    position = 0
    for _ in range(2):  # the handle of a block without use here
        _, position = _varint(footer, position)
    handles = [handle for _, handle in _read_block(data, footer, position)]
    if sum(_place(handle, 0)[1] for handle in handles) > len(data):
        raise ValueError("its parts overlap")
    entries = itertools.chain.from_iterable(_read_block(data, handle, 0) for handle in handles)
    for number, entry in enumerate(entries):
        if number > _MOST_TENSORS:
            raise ValueError(f"it lists more than {_MOST_TENSORS} tensors")
        yield entry


def _read_block(data: bytes, handle: bytes, position: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the block that a handle points to; a key may begin as the one before."""
    start, size = _place(handle, position)
    block, kind = data[start : start + size], data[start + size : start + size + 1]
    (checksum,) = struct.unpack_from("<I", data, start + size + 1)
    if _masked_checksum(block + kind) != checksum:
        raise ValueError("a checksum isn't right")
    if kind != b"\0":
        raise ValueError("it is compressed, which isn't read")
    (restarts,) = struct.unpack_from("<I", block, size - 4)
    key, position = b"", 0
    while position < size - 4 * (restarts + 1):
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        value = position + unshared
        if shared + unshared > _LONGEST_NAME:
            raise ValueError(f"a name of {shared + unshared} bytes")
        key = key[:shared] + block[position:value]
        position = value + length
        yield key, block[value:position]


def _place(handle: bytes, position: int) -> tuple[int, int]:
    """Where a block begins, and its size."""
    start, position = _varint(handle, position)
    size, _ = _varint(handle, position)
    return start, size


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protocol buffer's fields."""
    position = 0
    value: Any
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = _varint(message, position)
        elif kind == 2:
            length, position = _varint(message, position)
            value, position = message[position : position + length], position + length
        elif kind == 5:
            (value,), position = struct.unpack_from("<I", message, position), position + 4
        else:
            raise ValueError(f"a field of unknown kind {kind}")
        yield tag >> 3, value


def _number(fields: Mapping[int, Any], field: int) -> int:
    """A field that holds a number; 0 where it is left out."""
    value = fields.get(field, 0)
    if not isinstance(value, int):
        raise ValueError(f"field {field} isn't a number")
    return value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    number = shift = 0
    while True:
        byte = data[position]
        number |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return number, position
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _checksum_table() -> np.ndarray:
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(0x82F63B78), np.uint32(0))
    return table


_CHECKSUMS = _checksum_table()
# The register starts at 0xFFFFFFFF, which these bytes make of 0; zeros before them change nothing.
_START = bytes.fromhex("54641f64")


def _checksum(data: bytes) -> int:
    """CRC-32C, of many stretches of the data at once: it is linear, so they can be combined."""
    data = _START + data
    stretches = 1 << max(0, len(data).bit_length() // 2 - 2)
    length = -(-len(data) // stretches)
    padded = np.frombuffer(data.rjust(stretches * length, b"\0"), np.uint8)
    crc: np.ndarray = np.zeros(stretches, np.uint32)
    # What following zeros of one stretch make of each bit of a checksum.
    bits: np.ndarray = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for column in padded.reshape(stretches, length).T:
        crc = _CHECKSUMS[(crc ^ column) & 255] ^ (crc >> 8)
        bits = _CHECKSUMS[bits & 255] ^ (bits >> 8)

    def follow(crc: np.ndarray) -> Any:
        return np.bitwise_xor.reduce(np.where(crc[:, None] >> np.arange(32) & 1, bits, 0), axis=1)

    while len(crc) > 1:
        crc = follow(crc[::2]) ^ crc[1::2]
        bits = follow(bits)
    return int(crc[0]) ^ 0xFFFFFFFF


def _masked_checksum(data: bytes) -> int:
    """As LevelDB stores it: rotated, plus a constant."""
    crc = _checksum(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
