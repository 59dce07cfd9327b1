"""How the processes of a run find each other: by three flags, or by what started them."""

import argparse
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import jax
from jax._src import cloud_tpu_init

from jax_inpaint.config import ConfigError

logger = logging.getLogger(__name__)

# Where launchers say how many processes they started, and which one this is.
_RANKS = (
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
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
