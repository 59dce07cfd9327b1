"""Keeping memory from one run of a compiled program to the next."""

import ctypes
import sys
from importlib.metadata import entry_points

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # numbers of glibc's mallopt
NEVER = -1


def keep_memory() -> None:
    """Has this process keep the memory that compiled programs on a CPU give back after each run.

    Otherwise it goes back to the system, and the next run gets it page by page, each one cleared: a
    tenth of the time of a training step. What the process holds is what it needed at most.

    Call it before JAX starts its devices. It does nothing where JAX has plugins for accelerators,
    or where the C library isn't glibc.
    """
    if sys.platform != "linux" or entry_points(group="jax_plugins"):
        return
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is None:
        return
    # Only the main arena can grow as large as such a program needs without mapping pages anew.
    choose(ARENA_MAX, 1)
    choose(MMAP_MAX, 0)
    choose(TRIM_THRESHOLD, NEVER)
