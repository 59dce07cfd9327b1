"""TPU slices by name, and their devices as the compiler sees them."""

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import jax
from jax.experimental import topologies
from jax.sharding import Mesh

from jax_inpaint.config import MeshConfig
from jax_inpaint.errors import UserError
from jax_inpaint.training.mesh import device_mesh

LANES = 128  # channels that one row of a TPU's registers and memory tiles holds


class PlanError(UserError):
    """A plan that can't be made; the message says why and what to do."""


@dataclass(frozen=True)
class Chip:
    """A kind of TPU. Figures are Google's; its memory is what libtpu lets a program use."""

    memory: int  # bytes
    peak: float  # FLOP/s of bfloat16 matrix products
    clock: float  # cycles/s of its cores
    matrix_unit: int  # rows and columns of the tiles that its matrix units multiply
    layout: str  # libtpu's name for how its cores are presented: always one device a chip
    shapes: tuple[str, ...]  # of slices that Google lends
    links: float  # bytes/s that it sends to its neighbours, over all links at once
    network: float  # bytes/s of its host's network, shared out
    on_host: int  # chips on a host of a slice
    cpus: int  # virtual CPUs of such a host for each of its chips


_FLAT = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_DEEP = (
    *("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8"),
    *("4x8x8", "8x8x8", "8x8x16", "8x16x16", "16x16x16"),
)
_GIB = 2**30

CHIPS = {
    "v4": Chip(int(30.75 * _GIB), 275e12, 1.05e9, 128, "megacore", _DEEP, 270e9, 3.1e9, 4, 60),
    "v5e": Chip(int(15.75 * _GIB), 197e12, 1.5e9, 128, "default", _FLAT, 200e9, 3.1e9, 4, 28),
    "v5p": Chip(
        int(95.74 * _GIB),
        459e12,
        1.75e9,
        128,
        "megacore",
        (*_DEEP, "16x16x24"),
        600e9,
        6.2e9,
        4,
        52,
    ),
    "v6e": Chip(int(31.25 * _GIB), 918e12, 1.75e9, 256, "default", _FLAT, 400e9, 12.5e9, 4, 45),
}

# libtpu asks what machine it is on. Any answer will do: what it is to compile for is told apart.
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


@dataclass(frozen=True)
class Topology:
    """A slice: so many chips of a kind."""

    name: str
    chip: Chip
    chips: int


def parse_topology(name: str) -> Topology:
    """The slice of a name such as ``v5e:16x16``.

    Raises:
        PlanError: if there is none of that name; lists those that there are.
    """
    kind, _, shape = name.partition(":")
    # libtpu takes shapes that don't exist, and ends the process when it compiles for some of them.
    if kind not in CHIPS or shape not in CHIPS[kind].shapes:
        kinds = [kind] if kind in CHIPS else CHIPS
        known = ", ".join(f"{kind}:{shape}" for kind in kinds for shape in CHIPS[kind].shapes)
        raise PlanError(f"there is no TPU slice '{name}'; there are {known}")
    return Topology(name, CHIPS[kind], prod(map(int, shape.split("x"))))


@contextmanager
def without_tpu() -> Iterator[None]:
    """Keeps JAX on the CPU and libtpu from looking for TPUs; what it changes it puts back."""
    environment = {name: os.environ.get(name) for name in _ENVIRONMENT}
    platforms = jax.config.jax_platforms  # type: ignore[attr-defined]
    os.environ.update(_ENVIRONMENT)
    jax.config.update("jax_platforms", "cpu")
    try:
        yield
    finally:
        jax.config.update("jax_platforms", platforms)
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def described_mesh(topology: Topology, mesh: MeshConfig | None = None) -> Mesh:
    """All chips of a slice as devices to compile for; nothing can run on them.

    Args:
        topology: the slice.
        mesh: how they share the work; all share a batch's images without it.

    Raises:
        ConfigError: if the mesh doesn't fit the slice.
        PlanError: if libtpu is missing, or doesn't go with this version of JAX.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise PlanError(
            "plans for TPUs are made with their compiler, libtpu, which isn't installed; "
            "pip install 'jax_inpaint[tpu-plan]' brings it (700 MB; no TPU is needed)"
        )
    host = (1, 1, 1) if topology.chips == 1 else (2, 2, 1)
    try:
        described = topologies.get_topology_desc(
            topology.name,
            "tpu",
            chip_config_name=topology.chip.layout,
            chips_per_host_bounds=host,
        )
    except jax.errors.JaxRuntimeError as error:
        raise PlanError(
            f"libtpu {importlib.metadata.version('libtpu')} with jax {jax.__version__} can't "
            f"describe {topology.name}: {error}"
        ) from error
    return device_mesh(mesh, described.devices)
