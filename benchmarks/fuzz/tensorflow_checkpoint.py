"""Writes TensorFlow checkpoints (tensor bundles, V2), byte by byte; TensorFlow reads them."""

import struct
from pathlib import Path

import numpy as np

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9}


def _shifted(register: int) -> int:
    for _ in range(8):
        register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register


_SHIFTED = [_shifted(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    """The checksum, by its definition."""
    register = 0xFFFFFFFF
    for byte in data:
        register = _SHIFTED[(register ^ byte) & 255] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    """The checksum as LevelDB stores it."""
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def varint(number: int) -> bytes:
    """A number in groups of seven bits."""
    more, rest = number >> 7, number & 127
    return bytes([rest | 128]) + varint(more) if more else bytes([rest])


def field(number: int, value: int | bytes) -> bytes:
    """A protocol buffer's field."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


class Table:
    """A LevelDB table."""

    def __init__(self):
        self.data = b""

    def block(self, entries: list[tuple[bytes, bytes]], kind: bytes = b"\0") -> bytes:
        """Appends a block; returns its handle."""
        content, restarts, last = b"", [], b""
        for i, (key, value) in enumerate(entries):
            shared = 0
            if i % 16 == 0:
                restarts.append(len(content))
            else:
                while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                    shared += 1
            last, rest = key, key[shared:]
            content += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
        restarts = restarts or [0]
        content += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
        handle = varint(len(self.data)) + varint(len(content))
        self.data += content + kind + masked(content + kind)
        return handle

    def finish(self, handles: list[tuple[bytes, bytes]]) -> bytes:
        """The file, given the last key and the handle of each block."""
        handle = self.block([]) + self.block(handles)
        return self.data + handle.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def write_checkpoint(
    prefix: Path, tensors: dict[str, np.ndarray], *, per_block: int = 20, kind: bytes = b"\0"
) -> None:
    """``per_block`` tensors are listed in each block; two files hold them in turn."""
    shards = [b"", b""]
    entries = [(b"", field(1, len(shards)) + field(3, field(1, 1)))]
    for i, name in enumerate(sorted(tensors)):
        array = np.asarray(tensors[name])
        data, shard = array.tobytes(), i % 2
        entry = field(1, TYPES[array.dtype.name])
        entry += field(2, b"".join(field(2, field(1, size)) for size in array.shape))
        entry += field(3, shard) + field(4, len(shards[shard])) + field(5, len(data))
        entries.append((name.encode(), entry + varint(6 << 3 | 5) + masked(data)))
        shards[shard] += data
    table = Table()
    blocks = [entries[i : i + per_block] for i in range(0, len(entries), per_block)]
    handles = [(block[-1][0], table.block(block, kind)) for block in blocks]
    prefix.with_name(f"{prefix.name}.index").write_bytes(table.finish(handles))
    for i, data in enumerate(shards):
        prefix.with_name(f"{prefix.name}.data-{i:05d}-of-{len(shards):05d}").write_bytes(data)
