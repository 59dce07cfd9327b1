"""Reading ahead in threads; a disk that has gone away can't turn it into a hang."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, wait
from multiprocessing.util import Finalize
from queue import SimpleQueue
from typing import Generic, TypeVar

from jax_inpaint.data.errors import DataError

T = TypeVar("T")

PATIENCE = 30.0  # seconds without data before a warning says so
_SUSPENDED = 5.0  # seconds between two looks at the clock if the whole process stood still
_FAREWELL = 2.0  # seconds that threads are given to come to their end

logger = logging.getLogger(__name__)


def read_ahead(
    read: Callable[[int], T], numbers: Iterable[int], threads: int, timeout: float
) -> Generator[T, None, None]:
    """What ``read`` makes of each number, in order, worked out ahead of time by threads.

    The threads end with the iterator. One that is caught in a read which never returns is left
    behind, and keeps neither the caller nor the interpreter.

    Args:
        read: called by the threads; says by :func:`reading` what it reads.
        numbers: its arguments, perhaps endless.
        threads: how many; twice as many results are worked out ahead.
        timeout: seconds that anything may be :func:`reading`.

    Raises:
        DataError: from ``next`` if something takes longer. What ``read`` raises comes from
            ``next``, too, in its turn.
    """
    crew = _Crew(read, threads)
    # Also before the interpreter ends: it mustn't pull the ground from under threads in OpenCV.
    dismiss = Finalize(None, crew.dismiss, exitpriority=1)
    results: deque[Future[T]] = deque()
    try:
        for number in numbers:
            results.append(crew.submit(number))
            if len(results) > 2 * threads:
                yield crew.result(results.popleft(), timeout)
        while results:
            yield crew.result(results.popleft(), timeout)
    finally:
        dismiss()


def read_within(timeout: float, what: str, read: Callable[[], T]) -> T:
    """What ``read`` returns or raises, or DataError if it, or a part of it, takes too long."""

    def work(_: int) -> T:
        with reading(what):
            return read()

    (result,) = read_ahead(work, [0], 1, timeout)
    return result


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Tells whoever waits for this thread what it reads from now on; parts have their own time.

    Example:
        >>> with reading("photo.jpg"):
        ...     data = Path("photo.jpg").read_bytes()
    """
    thread = threading.current_thread()
    if not isinstance(thread, _Reader):
        yield
        return
    if thread.crew.dismissed.is_set():
        raise _DismissedError
    whole = thread.reads
    thread.reads = what, time.monotonic()
    try:
        yield
    finally:
        thread.reads = whole and (whole[0], time.monotonic())


class Watch:
    """Tells whoever looks about once a second how long something has taken.

    Time in which the whole process was suspended doesn't count, nor that before it began to look.
    """

    def __init__(self) -> None:
        self.now = self._awake = time.monotonic()

    def look(self) -> None:
        """Reads the clock."""
        before, self.now = self.now, time.monotonic()
        if self.now - before > _SUSPENDED:  # what is waited for stood still, too
            self._awake = self.now

    def passed(self, since: float) -> float:
        """Seconds since then, by the monotonic clock."""
        return self.now - max(since, self._awake)


class _DismissedError(Exception):
    """Ends the work of a thread between two reads; nobody waits for its result."""


class _Crew(Generic[T]):
    """Threads that work off the same tasks."""

    def __init__(self, read: Callable[[int], T], threads: int):
        self.read = read
        self.tasks: SimpleQueue[tuple[int, Future[T]] | None] = SimpleQueue()
        self.dismissed = threading.Event()
        self.readers = [_Reader(self) for _ in range(threads)]
        for reader in self.readers:
            reader.start()

    def submit(self, number: int) -> Future[T]:
        future: Future[T] = Future()
        self.tasks.put((number, future))
        return future

    def result(self, future: Future[T], timeout: float) -> T:
        watch, patience = Watch(), PATIENCE
        began = watch.now
        while not wait([future], timeout=1).done:
            watch.look()
            now = watch.now
            reads = [reader.reads for reader in self.readers if reader.reads is not None]
            what, since = min(reads, key=lambda read: read[1], default=("", now))
            if watch.passed(since) > timeout:
                raise DataError(
                    f"{what}: reading it takes longer than data.timeout, {timeout:g} seconds; is "
                    "the disk, or the network, that it is on still there?"
                )
            if now - began > patience:
                slowest = f"; reading {what} has taken {now - since:.0f} so far" if what else ""
                logger.warning("no data for %.0f seconds%s", now - began, slowest)
                patience *= 2
        return future.result()

    def dismiss(self) -> None:
        self.dismissed.set()
        for _ in self.readers:
            self.tasks.put(None)
        deadline = time.monotonic() + _FAREWELL
        for reader in self.readers:
            if reader is not threading.current_thread():  # where garbage is collected, say
                reader.join(max(0.0, deadline - time.monotonic()))


class _Reader(threading.Thread):
    """Attributes: reads: what, and since when by the monotonic clock; None between reads."""

    def __init__(self, crew: _Crew):
        # The interpreter waits for threads that aren't daemons, for ever if need be.
        super().__init__(name="read-ahead", daemon=True)
        self.crew = crew
        self.reads: tuple[str, float] | None = None

    def run(self) -> None:
        while (task := self.crew.tasks.get()) is not None and not self.crew.dismissed.is_set():
            number, future = task
            try:
                future.set_result(self.crew.read(number))
            except BaseException as error:  # whoever waits for the result raises it
                future.set_exception(error)
