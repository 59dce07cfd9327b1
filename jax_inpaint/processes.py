"""Several processes as one run: how they find each other, what they agree on, and how they end."""

import argparse
import itertools
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NoReturn, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import cloud_tpu_init
from jax._src.distributed import global_state
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.config import ConfigError
from jax_inpaint.errors import UserError
from jax_inpaint.stopping import StopRequest

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Where launchers say how many processes they started, and which one this is.
_RANKS = (
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
)

_LONGEST_WAIT = 3600  # seconds; a process that is gone is noticed long before
_meetings = itertools.count()
_LOOK_EVERY = 0.2  # seconds, while waiting for processes that may take hours

# Of gloo, NCCL, and JAX's coordination service.
_LOST = re.compile(
    "Gloo|NCCL|coordination service|CoordinationService|[Hh]eartbeat|Barrier"
    "|Connection (closed|reset)"
)

PROCESSES_HELP = """\
One run over several processes:
  --coordinator HOST:PORT   where process 0 listens, the same for all
  --processes N             how many there are
  --process I               which one this is, from 0
Without them, processes that SLURM, Open MPI or a TPU slice started find each other, and those of
Kubernetes with pip install 'jax[k8s]'; with the first alone, SLURM and MPI tell the rest."""


@dataclass(frozen=True)
class Place:
    """This process among those of a run."""

    coordinator: str  # HOST:PORT of process 0
    processes: int
    process: int


def parse_place(
    arguments: Sequence[str], environment: Mapping[str, str] = os.environ
) -> tuple[Place | None, list[str]]:
    """This process's place as the command line says, and the rest of the command line.

    Args:
        arguments: the command line without the program's name.
        environment: where a launcher may tell what the flags don't.

    Raises:
        ConfigError: if the flags don't make sense.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--coordinator")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--process", type=int)
    try:
        given, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise ConfigError(str(error)) from error
    return find_place(**vars(given), environment=environment), rest


def find_place(
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    environment: Mapping[str, str] = os.environ,
) -> Place | None:
    """This process's place as three flags say, of which a launcher may tell the latter two.

    Raises:
        ConfigError: if they don't make sense.
    """
    if coordinator is None and processes is None and process is None:
        return None
    launched = _launched(environment)
    if launched is not None:
        processes = launched[0] if processes is None else processes
        process = launched[1] if process is None else process
    if coordinator is None or processes is None or process is None:
        raise ConfigError(
            "--coordinator, --processes and --process go together; SLURM and MPI can tell the "
            "latter two"
        )
    if not re.fullmatch(r".+:\d{1,5}", coordinator):
        raise ConfigError(
            f"--coordinator must be HOST:PORT, such as 10.0.0.1:8476, got {coordinator}"
        )
    if not 0 <= process < processes:
        raise ConfigError(
            f"--process must be from 0 to --processes - 1, got {process} of {processes}"
        )
    return Place(coordinator, processes, process)


def join_processes(place: Place | None, timeout: int = 300) -> None:
    """Makes this process one of a run's, if there are several; call it before JAX sees a device.

    Args:
        place: as the command line says; without it, a launcher is asked if there is one.
        timeout: seconds to wait for the others.

    Raises:
        ConfigError: if they don't find each other.
    """
    if place is None and not has_launcher():
        return
    # Signals are the run's own business: it saves at a step that all agree on.
    jax.config.update("jax_enable_preemption_service", False)
    found: dict[str, Any] = {}
    if place:
        found = {
            "coordinator_address": place.coordinator,
            "num_processes": place.processes,
            "process_id": place.process,
        }
    try:
        jax.distributed.initialize(**found, initialization_timeout=timeout)
    except (RuntimeError, ValueError, ConnectionError) as error:
        raise ConfigError(
            f"the processes of this run didn't find each other ({error}); --coordinator, "
            "--processes and --process say where they are"
        ) from error


def _launched(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """How many processes were started together, and which one this is."""
    for count, rank in _RANKS:
        if environment.get(count, "").isdigit() and environment.get(rank, "").isdigit():
            return int(environment[count]), int(environment[rank])
    return None


def has_launcher() -> bool:
    """Whether something that JAX can ask started this process among others."""
    launched = _launched(os.environ)
    if launched is not None:
        return launched[0] > 1
    # A host of TPUs knows its slice, on Kubernetes too; JAX has looked for chips when imported.
    if cloud_tpu_init.running_in_cloud_tpu_vm and "tpu" in os.environ.get("JAX_PLATFORMS", "tpu"):
        return True
    if "KUBERNETES_SERVICE_HOST" not in os.environ or "JOB_COMPLETION_INDEX" not in os.environ:
        return False
    if find_spec("kubernetes") is None:
        logger.warning(
            "a pod of an indexed Kubernetes job that runs alone: without --coordinator, "
            "--processes and --process it finds others by the package kubernetes only, which "
            "pip install 'jax[k8s]' brings"
        )
        return False
    return True


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
