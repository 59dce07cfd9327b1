"""What a compiler or device says when memory doesn't suffice."""

import re

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def required_memory(message: str) -> int | None:
    """Bytes that a program would need, from the compiler's complaint; None if it is about others.

    Example:
        >>> required_memory("Ran out of memory in memory space hbm. Used 17.50G of 15.75G hbm.")
        18790481920
    """
    if "RESOURCE_EXHAUSTED" not in message and "out of memory" not in message:
        return None
    sizes = re.findall(r"(?:Used |HLO temporaries \()([\d.]+)([KMGT]?)", message)
    return max((int(float(size) * _UNITS[unit]) for size, unit in sizes), default=None)
