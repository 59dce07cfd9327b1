"""Reading the text of a compiled program, as ``compiled.as_text()`` gives it."""

import re
from collections import Counter
from dataclasses import dataclass

_COLLECTIVE = re.compile(
    r"^ *(?:ROOT )?%?[\w.-]+ = (?P<result>.+?) "
    r"(?P<kind>all-reduce|all-gather|reduce-scatter|(?:ragged-)?all-to-all|collective-permute"
    r"|collective-broadcast)(?P<start>-start)?\((?P<rest>.*)",
    re.MULTILINE,
)
_CHANNEL = re.compile(r"channel_id=(\d+)")
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')


@dataclass(frozen=True)
class Exchange:
    """What chips send one another in a step by operations of one kind."""

    count: int
    bytes: int  # of their results, on each chip


def exchanges(text: str) -> dict[str, Exchange]:
    """The collective operations of a program by kind; those in a loop count once.

    Example:
        >>> exchanges("%a = (f32[8,2]{1,0}, bf16[3]) all-reduce(%x, %y), channel_id=1")
        {'all-reduce': Exchange(count=1, bytes=70)}
    """
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    channels = set()
    for found in _COLLECTIVE.finditer(text):
        # One operation that is spread over others to hide it appears in each of them.
        if channel := _CHANNEL.search(found["rest"]):
            if channel[1] in channels:
                continue
            channels.add(channel[1])
        kind = found["kind"]
        arrays = _ARRAY.findall(found["result"])
        if found["start"] and kind != "all-reduce":
            # It returns its operands, then its results, then numbers of its own.
            arrays = [array for array in arrays if array != ("u32", "")]
            arrays = arrays[len(arrays) // 2 :]
        count[kind] += 1
        size[kind] += sum(_bytes(*array) for array in arrays)
    return {kind: Exchange(count[kind], size[kind]) for kind in count}


def _bytes(dtype: str, shape: str) -> int:
    elements = 1
    for side in filter(None, shape.split(",")):
        elements *= int(side)
    bits = re.search(r"\d+", dtype)
    return -(-elements * int(bits[0] if bits else 8) // 8)


def estimated_cycles(text: str) -> int | None:
    """Sum of the cycles that the compiler noted down for its operations; None if it didn't."""
    cycles = [int(number) for number in _CYCLES.findall(text)]
    return sum(cycles) if cycles else None
