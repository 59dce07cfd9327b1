"""How a process of a run ends: with a message if another is lost, and without waiting for it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import jax

from jax_inpaint.errors import UserError

# Of gloo, NCCL, and JAX's coordination service.
_LOST = re.compile(
    "Gloo|NCCL|coordination service|CoordinationService|[Hh]eartbeat|Barrier"
    "|Connection (closed|reset)"
)


class LostProcessError(UserError):
    """Another process of the run is gone."""


@contextmanager
def noticing_lost_processes(saved: str) -> Iterator[None]:
    """Turns what collectives raise when a process has died into a :class:`LostProcessError`.

    Its message says that the same command goes on from what is ``saved``.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        # Our own errors speak of folders and files, whatever they are called; one that has a cause
        # may pass on what a collective said.
        said = str(error.__cause__ or "") if isinstance(error, UserError) else str(error)
        if jax.process_count() == 1 or not _LOST.search(said):
            raise
        raise LostProcessError(
            f"process {jax.process_index()} lost touch with another of the run's "
            f"{jax.process_count()} processes, which was killed or has failed: see what it said, "
            "or the scheduler's log. The same command, started anew everywhere, goes on from "
            f"{saved}. ({str(error).strip().splitlines()[0]})"
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
            # Whatever ended the child, the process has its own end.
            with suppress(BrokenPipeError), child.stdin:
                child.stdin.write(b"\n")


def leave_at_once(status: int) -> NoReturn:
    """Ends the process without waiting for others, which would wait for this one in turn."""
    sys.stdout.flush()
    sys.stderr.flush()
    if jax.distributed.is_initialized():
        os._exit(status)
    raise SystemExit(status)
