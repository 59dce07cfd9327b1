"""Random damage to bytes, to files made of blocks, and to values of JSON."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

Random = np.random.Generator
Block = tuple[bytes, bytes]  # its kind and what it holds

# As bytes, which hypothesis draws evenly: of its integers, many are small and come again.
RANDOM = st.binary(min_size=16, max_size=16).map(
    lambda seed: np.random.default_rng(int.from_bytes(seed, "big"))
)

# Where counters wrap around, signs change and memory ends.
NUMBERS = (0, 1, 2, 5, 127, 128, 255, 256, 32_767, 65_535, 65_536, 100_000, 2**31 - 1, 2**31)
HUGE_NUMBERS = (2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
_DEEP = "@deep"
_STRANGE: tuple[Any, ...] = (
    *(None, True, False, "", "x", "5", "\0", "é漢\ud800", "\x1b[31m", "x" * 5000),
    *(*NUMBERS, *HUGE_NUMBERS, -1, -5, 10**30, 10**400, -(2**63)),
    *(0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")),
    *([], {}, [[]], [[[[]]]], [0] * 300, {"": None}, [None, None], _DEEP),
)


def chance(rng: Random, one_in: int) -> bool:
    """True once in so many times."""
    return bool(rng.integers(one_in) == 0)


def choose(rng: Random, values: Any) -> Any:
    """One of a sequence's."""
    return values[rng.integers(len(values))]


def damaged(rng: Random, data: bytes, most: int = 4) -> bytes:
    """The bytes after one to ``most`` accidents."""
    content = bytearray(data)
    for _ in range(rng.integers(1, most + 1)):
        choose(rng, _ACCIDENTS)(rng, content)
    return bytes(content)


def _place(rng: Random, content: bytearray) -> int:
    """Anywhere, the beginning of a file most of all."""
    return int(len(content) * rng.random() ** choose(rng, (1, 2, 6)))


def _stretch(rng: Random, content: bytearray) -> slice:
    start = _place(rng, content)
    return slice(start, start + int(rng.integers(1, 64)))


def _flip(rng: Random, content: bytearray) -> None:
    if content:
        content[min(_place(rng, content), len(content) - 1)] ^= 1 << int(rng.integers(8))


def _set_number(rng: Random, content: bytearray) -> None:
    start, size = _place(rng, content), choose(rng, (1, 2, 4, 8))
    number = choose(rng, (*NUMBERS, *HUGE_NUMBERS)) % 256**size
    content[start : start + size] = number.to_bytes(size, choose(rng, ("little", "big")))


def _randomize(rng: Random, content: bytearray) -> None:
    part = _stretch(rng, content)
    content[part] = rng.bytes(len(content[part]))


def _remove(rng: Random, content: bytearray) -> None:
    del content[_stretch(rng, content)]


def _repeat(rng: Random, content: bytearray) -> None:
    part = _stretch(rng, content)
    content[part] = content[part] * int(rng.integers(2, 5))


def _insert(rng: Random, content: bytearray) -> None:
    start = _place(rng, content)
    content[start:start] = rng.bytes(int(rng.integers(1, 16)))


def _cut(rng: Random, content: bytearray) -> None:
    del content[int(len(content) * rng.random()) :]


_ACCIDENTS: tuple[Callable[[Random, bytearray], None], ...] = (
    *(_flip, _flip, _flip, _set_number, _set_number, _set_number),
    *(_randomize, _remove, _repeat, _insert, _cut),
)


def damaged_blocks(rng: Random, blocks: list[Block]) -> list[Block]:
    """Blocks of a file after one to three accidents to them or to what they hold."""
    blocks = list(blocks)
    for _ in range(rng.integers(1, 4)):
        if not blocks:
            break
        number, other = (int(rng.integers(len(blocks))) for _ in range(2))
        kind, data = blocks[number]
        way = rng.integers(8)
        if way < 4:
            blocks[number] = kind, damaged(rng, data, most=2)
        elif way == 4:
            del blocks[number]
        elif way == 5:
            blocks.insert(other, (kind, data))
        elif way == 6:
            blocks[number], blocks[other] = blocks[other], blocks[number]
        else:
            blocks[number] = kind, blocks[other][1]
    return blocks


def damaged_value(rng: Random, value: Any, most: int = 3) -> Any:
    """A value of JSON after one to ``most`` changes to parts of it."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.integers(1, most + 1)):
        places = list(_places(root))
        holder, key = places[int(len(places) * rng.random() ** choose(rng, (1, 3)))]
        part, way = holder[key], rng.integers(8)
        if way == 0 and holder is not root:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[choose(rng, (f"{key}s", key.upper(), "", "term", "architecture"))] = part
        elif way == 2:
            other, its_key = choose(rng, places)
            holder[key] = copy.deepcopy(other[its_key])
        elif way == 3:
            holder[key] = [part] * int(rng.integers(4))
        elif way == 4 and type(part) in (int, float):
            holder[key] = choose(rng, (part + 1, part - 1, -part, part * 1000, str(part)))
        else:
            holder[key] = copy.deepcopy(choose(rng, _STRANGE))
    return root[0]


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Where all parts of a list or dictionary are, the outer ones first."""
    waiting = [holder]
    for one in waiting:
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            yield one, key
            if isinstance(one[key], dict | list):
                waiting.append(one[key])


def as_json(rng: Random, value: Any) -> bytes:
    """The value's text, now and then damaged too; with nesting that ``json.dumps`` can't write."""
    depth = choose(rng, (60, 200, 900, 1500, 100_000))
    text = json.dumps(value).replace(f'"{_DEEP}"', "[" * depth + "]" * depth).encode()
    return damaged(rng, text) if chance(rng, 8) else text
