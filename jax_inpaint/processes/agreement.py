"""What the processes of a run agree on: who writes, what went wrong, when to stop."""

import itertools
import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax._src.distributed import global_state
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.errors import UserError
from jax_inpaint.stopping import StopRequest

T = TypeVar("T")

_LONGEST_WAIT = 3600  # seconds; a process that is gone is noticed long before
_meetings = itertools.count()
_LOOK_EVERY = 0.2  # seconds, while waiting for processes that may take hours


def is_first() -> bool:
    """Whether this process is the one that prints and writes."""
    return jax.process_index() == 0


def meet(purpose: str) -> None:
    """Waits until all processes have come as far; they may be minutes apart, as after compiling.

    What joins devices of several processes for the first time waits for half a minute only.
    """
    if jax.process_count() > 1:
        name = f"jax_inpaint_{purpose}_{next(_meetings)}"
        _service().wait_at_barrier(name, timeout_in_ms=_LONGEST_WAIT * 1000)


def _service() -> Any:
    """JAX's coordination service, of which there is no public name."""
    return global_state.client


def first_does(action: Callable[[], T]) -> T | None:
    """Has the first process do something that all depend on; the others get None when it is done.

    Raises:
        UserError: what the action raised, in all processes.
    """
    result, failure = None, ""
    if is_first():
        try:
            result = action()
        except (UserError, OSError) as error:
            if jax.process_count() == 1:
                raise
            failure = str(error) or type(error).__name__
    if jax.process_count() > 1:
        meet("first")
        message = np.zeros(4096, np.uint8)
        data = failure.encode()[: len(message)]
        message[: len(data)] = list(data)
        sent = bytes(multihost_utils.broadcast_one_to_all(message)).rstrip(b"\0")
        if sent:
            raise UserError(sent.decode(errors="replace"))
    return result


def gather(values: np.ndarray) -> np.ndarray:
    """A small array of every process, float64 or integer, stacked; exactly as they were."""
    if jax.process_count() == 1:
        return values[None]
    # JAX would make float32 of float64.
    parts = multihost_utils.process_allgather(np.frombuffer(values.tobytes(), np.uint8))
    return np.stack([np.frombuffer(bytes(p), values.dtype).reshape(values.shape) for p in parts])


class SharedStop:
    """A wish to stop that all processes follow at the same step, whichever was asked.

    Args:
        stop: the wish of this process; it gets to know that of the others.
        mesh: the devices, which work out the answer like a step, without being waited for.
    """

    def __init__(self, stop: StopRequest, mesh: Mesh):
        self._stop = stop
        self._agreed: signal.Signals | None = None
        self._sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._size = mesh.size
        self._largest = jax.jit(jnp.max, out_shardings=NamedSharding(mesh, PartitionSpec()))

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that all processes know of."""
        return self._stop.signal if jax.process_count() == 1 else self._agreed

    def ask(self) -> Any:
        """A round of asking, begun by all after the same step; returns at once."""
        if jax.process_count() == 1:
            return None
        mine = np.array([self._stop.signal or 0], np.int32)
        values = jax.make_array_from_callback((self._size,), self._sharding, lambda _: mine)
        return self._largest(values)

    def hear(self, asked: Any) -> None:
        """Waits for what came out of a round."""
        number = 0 if asked is None else int(asked)
        if number:
            self._stop.signal = self._agreed = signal.Signals(number)


class Parts:
    """Processes that each do a part of the work by themselves, for hours, without collectives.

    A wish to stop that any was sent reaches all through JAX's coordination service, which notices
    as well when one dies, and then ends the others.

    Args:
        stop: the wish of this process; it gets to know that of the others.
    """

    def __init__(self, stop: StopRequest):
        self._stop = stop
        self._told = False

    def must_stop(self) -> bool:
        """Whether any process was asked to stop."""
        if jax.process_count() > 1 and not self._told:
            if self._stop.signal is not None:
                number = str(int(self._stop.signal))
                _service().key_value_set(f"jax_inpaint/stop/{jax.process_index()}", number)
                self._told = True
            elif told := _service().key_value_dir_get("jax_inpaint/stop/"):
                self._stop.signal = signal.Signals(int(told[0][1]))
        return self._stop.signal is not None

    def wait_for_all(self) -> None:
        """Waits until all have done their parts or stopped; then they know nothing of one another.

        So the first can go on alone for as long as it takes, and the others end.
        """
        if jax.process_count() == 1:
            return
        client = _service()
        client.key_value_set(f"jax_inpaint/ended/{jax.process_index()}", "")
        while len(client.key_value_dir_get("jax_inpaint/ended/")) < jax.process_count():
            self.must_stop()
            time.sleep(_LOOK_EVERY)
        self.must_stop()
        jax.distributed.shutdown()
