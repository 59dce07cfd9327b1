"""How a run that can't go on ends: what it says, and that the others of it don't wait."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import jax

from jax_inpaint.compilation.memory import required_memory
from jax_inpaint.config import Config
from jax_inpaint.errors import UserError

KILLED = (
    "error: this process was killed, or another of its run was. Mostly the system does so for lack "
    "of memory: train.batch_size, data.workers and data.threads lower what a run takes. The same "
    "command goes on from the last complete checkpoint."
)


class MemoryShortageError(UserError):
    """Not enough memory; the message says which settings lower what is needed."""


@contextmanager
def telling_what_helps(config: Config) -> Iterator[None]:
    """Turns a shortage of memory into an error that names the settings that lower it."""
    try:
        yield
    except MemoryError as error:
        raise MemoryShortageError(
            f"the host ran out of memory ({error}); lower data.workers (now "
            f"{config.data.workers}), data.threads ({config.data.threads}) or train.batch_size "
            f"({config.train.batch_size})"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        needed = required_memory(str(error))
        raise MemoryShortageError(
            f"a device ran out of memory{f' ({needed / 2**30:.1f} GiB needed)' if needed else ''}; "
            f"lower train.batch_size (now {config.train.batch_size}) or data.size "
            f"({config.data.size}), compute a batch in parts with train.accumulate "
            f"({config.train.accumulate}), or share the work among more devices (section mesh)"
        ) from error


@contextmanager
def last_words(text: str) -> Iterator[None]:
    """Has a text printed on stderr should this process end without any notice, as by SIGKILL.

    A child waits for the end of a pipe; it is told if all is well.
    """
    # It ignores what stops the process, which is for that to decide.
    script = "trap '' INT TERM HUP; read -r line || printf '%s\\n' \"$1\" >&2"
    with subprocess.Popen(["sh", "-c", script, "sh", text], stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        try:
            yield
        finally:
            child.stdin.write(b"\n")
            child.stdin.close()


def leave_at_once(status: int) -> NoReturn:
    """Ends the process without waiting for others, which would wait for this one in turn."""
    sys.stdout.flush()
    sys.stderr.flush()
    if jax.distributed.is_initialized():
        os._exit(status)
    raise SystemExit(status)
