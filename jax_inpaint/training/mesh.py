"""Devices under three names: ``data`` shares out images, ``fsdp`` the state, ``spatial`` rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.config import Config, ConfigError, MeshConfig
from jax_inpaint.ops.sharding import SPATIAL

DATA, FSDP = "data", "fsdp"
AXES = (DATA, FSDP, SPATIAL)

# Devices along fsdp have images of their own, too: it is data parallelism with a shared state.
BATCH = PartitionSpec((DATA, FSDP), SPATIAL)

# Smaller arrays (biases, norms) stay whole: sending them around would cost more than they take.
_SMALLEST_SHARED = 2**12

HostBatch = Mapping[str, np.ndarray]


def device_mesh(
    config: MeshConfig | None = None, devices: Sequence[jax.Device] | None = None
) -> Mesh:
    """The devices of all processes, in their order: rows of a picture on neighbours.

    Args:
        config: how many devices share the state and an image's rows; none do without it.
        devices: all that take part; all there are without it.

    Raises:
        ConfigError: if the devices can't be arranged like that.
    """
    config = config or MeshConfig()
    devices = jax.devices() if devices is None else devices
    if len(devices) % (config.fsdp * config.spatial):
        raise ConfigError(
            f"mesh.fsdp {config.fsdp} times mesh.spatial {config.spatial} must divide the number "
            f"of devices, {len(devices)}"
        )
    shape = -1, config.fsdp, config.spatial
    return Mesh(np.array(devices, dtype=object).reshape(shape), AXES)


def check_mesh(config: Config, mesh: Mesh) -> None:
    """Finds out whether every batch of a run can be shared out.

    Raises:
        ConfigError: names the setting that doesn't fit.
    """
    shared = mesh.shape[FSDP] * mesh.shape[SPATIAL] > 1
    if shared and config.train.parallel != "jit":
        raise ConfigError(
            f"mesh.fsdp and mesh.spatial need train.parallel jit, got {config.train.parallel}"
        )
    sharing, rows = mesh.shape[DATA] * mesh.shape[FSDP], mesh.shape[SPATIAL]
    sizes = [(stage.batch_size, stage.size) for stage in config.train.stages]
    for batch_size, (height, _) in [*sizes, (config.train.batch_size, config.data.size)]:
        if batch_size % (sharing * config.train.accumulate):
            parts = f" times train.accumulate {config.train.accumulate}"
            raise ConfigError(
                f"batch_size {batch_size} must be a multiple of the number of devices that share "
                f"it, {sharing}{parts if config.train.accumulate > 1 else ''}"
            )
        if height % (rows * config.generator.multiple):
            raise ConfigError(
                f"mesh.spatial {rows} must split a height of {height} into multiples of "
                f"{config.generator.multiple}, for {config.generator.architecture}"
            )


def state_shardings(state: Any, mesh: Mesh) -> Any:
    """Where each array of a state goes: shared out along ``fsdp`` if it is large, else whole.

    Args:
        state: arrays, or shapes of them.
        mesh: the devices.
    """
    parts = mesh.shape[FSDP]

    def sharding(leaf: Any) -> NamedSharding:
        spec: list[str | None] = [None] * len(leaf.shape)
        sides = [side if side % parts == 0 else 0 for side in leaf.shape]
        if parts > 1 and leaf.size >= _SMALLEST_SHARED and max(sides):
            spec[sides.index(max(sides))] = FSDP
        return NamedSharding(mesh, PartitionSpec(*spec))

    return jax.tree.map(sharding, state)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The tree, whole, on every device."""
    return _put(tree, jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec()), tree))


def place_state(state: Any, mesh: Mesh) -> Any:
    """The state as :func:`state_shardings` shares it out; every process has all of it before."""
    return _put(state, state_shardings(state, mesh))


def whole(tree: Any, mesh: Mesh) -> Any:
    """A tree on the mesh as ordinary arrays of this process, on its first device.

    All processes must call it: what is shared out is gathered.
    """
    if mesh.shape[FSDP] > 1:
        tree = jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, PartitionSpec()))(tree)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def batch_share(mesh: Mesh) -> tuple[int, int]:
    """Which part of every batch this process loads, and of how many.

    Processes whose devices share the rows of the same images load the same part.

    Raises:
        ConfigError: if its devices' images don't lie next to each other.
    """
    blocks = mesh.devices.reshape(-1, mesh.shape[SPATIAL])
    mine = [
        number
        for number, row in enumerate(blocks)
        if any(device.process_index == jax.process_index() for device in row)
    ]
    if mine[-1] - mine[0] + 1 != len(mine) or len(blocks) % len(mine) or mine[0] % len(mine):
        raise ConfigError(
            f"mesh.spatial {mesh.shape[SPATIAL]} doesn't go with {jax.process_count()} processes "
            f"of {jax.local_device_count()} devices; one should divide the other"
        )
    return mine[0] // len(mine), len(blocks) // len(mine)


def place_batch(batch: HostBatch, mesh: Mesh, stacked: bool = False) -> dict[str, jax.Array]:
    """One array over all devices for each array of this process's part of a batch.

    ``stacked``: arrays have a leading axis, for several batches.
    """
    part, parts = batch_share(mesh)
    axis = int(stacked)
    sharding = NamedSharding(mesh, PartitionSpec(*[None] * axis, *BATCH))

    def place(local: np.ndarray) -> jax.Array:
        mine = local.shape[axis]
        shape = *local.shape[:axis], parts * mine, *local.shape[axis + 1 :]

        def piece(index: tuple[slice, ...] | None) -> np.ndarray:
            assert index is not None
            start, stop, _ = index[axis].indices(parts * mine)
            here = slice(start - part * mine, stop - part * mine)
            return local[(*index[:axis], here, *index[axis + 1 :])]

        return jax.make_array_from_callback(shape, sharding, piece)

    return {name: place(array) for name, array in batch.items()}


def _put(tree: Any, shardings: Any) -> Any:
    def put(leaf: Any, sharding: NamedSharding) -> jax.Array:
        if sharding.is_fully_addressable:
            return jax.device_put(leaf, sharding)
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, leaf.__getitem__)

    return jax.tree.map(put, tree, shardings)
