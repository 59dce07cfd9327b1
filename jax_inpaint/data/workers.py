"""Worker processes that share the reading of batches; none dies, hangs or stays unnoticed."""

import contextlib
import itertools
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from ctypes import Array, c_double, c_ubyte
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize

import numpy as np

from jax_inpaint.data.errors import DataError
from jax_inpaint.data.read_ahead import Watch, read_ahead
from jax_inpaint.errors import UserError

Batch = dict[str, np.ndarray]

_SLOTS = 2  # batches that a worker may have ready
_STARTING = 60.0  # seconds beyond the time limit of reads in which a worker must show life
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_spawn = multiprocessing.get_context("spawn")


def read_in_workers(
    read: Callable[[int], Batch],
    shapes: Mapping[str, tuple[int, ...]],
    workers: int,
    threads: int,
    timeout: float,
) -> Generator[Batch, None, None]:
    """The batches ``read(0)``, ``read(1)`` and so on without end, worked out by processes.

    They end with the iterator, and with the main process however that ends.

    Args:
        read: called in the processes, to which it is sent pickled.
        shapes: of a batch's arrays by name; all of them are uint8.
        workers: number of processes; they take turns.
        threads: of each.
        timeout: as for :func:`~jax_inpaint.data.read_ahead.read_ahead`.

    Raises:
        DataError: from ``next`` if a process dies or shows no life. What users can put right and
            ``read`` raises comes from ``next``, too, in its turn.
    """
    crew: list[_Worker] = []
    dismiss = Finalize(None, _dismiss, (crew,), exitpriority=1)
    try:
        for number in range(workers):
            crew.append(_Worker(read, number, shapes, workers, threads, timeout))
        for worker in itertools.cycle(crew):
            yield worker.batch()
    finally:
        dismiss()


class _Worker:
    """What the main process knows of a worker.

    Batches come through memory that both share, which has no name that could outlive them.
    """

    def __init__(
        self,
        read: Callable[[int], Batch],
        number: int,
        shapes: Mapping[str, tuple[int, ...]],
        workers: int,
        threads: int,
        timeout: float,
    ):
        memory = [_spawn.RawArray(c_ubyte, _size(shapes)) for _ in range(_SLOTS)]
        self.slots = [_arrays(slot, shapes) for slot in memory]
        self.life = _spawn.RawValue(c_double, time.monotonic())
        self.patience = timeout + _STARTING
        self.advice = (
            "The usual cause is that memory ran out: fewer data.workers (now "
            f"{workers}) or data.threads (now {threads} in each) need less"
        )
        self.connection, theirs = _spawn.Pipe()
        share = number, workers
        self.process = _spawn.Process(
            target=_work,
            args=(read, share, threads, timeout, shapes, memory, self.life, theirs),
            name=f"data-worker-{number}",
            daemon=True,
        )
        with _signals_held_back():
            self.process.start()
        theirs.close()  # so that the end of the worker is the end of the connection

    def batch(self) -> Batch:
        watch = Watch()
        while not wait([self.connection], timeout=1):
            watch.look()
            if watch.passed(self.life.value) > self.patience:
                raise DataError(
                    f"a data worker (process {self.process.pid}) has shown no life for "
                    f"{self.patience:.0f} seconds. {self.advice}"
                )
        try:
            message: int | UserError = self.connection.recv()
        except (EOFError, ConnectionError):
            raise DataError(self._obituary()) from None
        if isinstance(message, UserError):
            raise message
        batch = {name: array.copy() for name, array in self.slots[message].items()}
        with contextlib.suppress(ConnectionError):  # it has died; the next batch will tell
            self.connection.send(message)
        return batch

    def _obituary(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        else:
            how = f"ended with status {code}; what it said is above"
        return f"a data worker (process {self.process.pid}) {how}. {self.advice}"


def _dismiss(crew: list[_Worker]) -> None:
    for worker in crew:
        worker.process.kill()  # it only reads
    for worker in crew:
        worker.process.join(5)
        worker.connection.close()


def _work(
    read: Callable[[int], Batch],
    share: tuple[int, int],
    threads: int,
    timeout: float,
    shapes: Mapping[str, tuple[int, ...]],
    memory: list[Array[c_ubyte]],
    life: c_double,
    connection: Connection,
) -> None:
    """What a worker process does: fills slots, names them, and waits until they are free again."""
    threading.Thread(target=_show_life, args=(life,), daemon=True).start()
    slots = [_arrays(slot, shapes) for slot in memory]
    free = list(range(_SLOTS))
    try:
        for batch in read_ahead(read, itertools.count(*share), threads, timeout):
            slot = free.pop() if free else connection.recv()
            for name, array in batch.items():
                slots[slot][name][...] = array
            connection.send(slot)
    except UserError as error:
        connection.send(error)
    except (EOFError, ConnectionError):
        pass  # the main process is gone


def _show_life(life: c_double) -> None:
    """Tells the time every second, and ends the process if the main process was killed."""
    main = multiprocessing.parent_process()
    while main is not None and main.is_alive():
        life.value = time.monotonic()
        main.join(1)
    os._exit(1)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Processes that are started within never see Ctrl-C or SIGTERM.

    Both reach the whole process group, yet the run goes on to its checkpoint.
    """
    resource_tracker.ensure_running()  # or else it would be started within, and end all this
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _size(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _arrays(memory: Array[c_ubyte], shapes: Mapping[str, tuple[int, ...]]) -> Batch:
    """A batch that lies in shared memory."""
    whole, start, arrays = np.frombuffer(memoryview(memory), np.uint8), 0, {}
    for name, shape in shapes.items():
        arrays[name] = whole[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    return arrays
