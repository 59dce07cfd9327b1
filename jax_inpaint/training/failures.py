"""What a run that can't go on says."""

from collections.abc import Iterator
from contextlib import contextmanager

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
