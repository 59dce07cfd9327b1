"""Three thin ways to run the same step on all devices: jit, shard_map and pmap."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.config import Config, ConfigError
from jax_inpaint.training.state import TrainState
from jax_inpaint.training.step import Metrics, make_train_step

AXIS = "data"


def device_mesh() -> Mesh:
    """All devices of all processes in one row."""
    return Mesh(np.array(jax.devices()), (AXIS,))


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The tree, whole, on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def parallel_step(
    config: Config, mesh: Mesh
) -> Callable[[TrainState, np.ndarray], tuple[TrainState, Metrics]]:
    """The compiled step; it takes this process's share of the batch as a NumPy array.

    State and metrics are whole on every device, images are split. The state passed in is donated:
    it must not be used afterwards.

    Raises:
        ConfigError: if the devices can't share the batch evenly.
    """
    mode = config.train.parallel
    if config.train.batch_size % mesh.size:
        raise ConfigError(
            f"train.batch_size {config.train.batch_size} must be a multiple of the number of "
            f"devices, {mesh.size}"
        )
    whole, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))

    if mode == "pmap":
        # Unlike the other two, pmap wants the devices as a leading axis of what it maps over.
        step = jax.pmap(
            make_train_step(config, AXIS),
            axis_name=AXIS,
            in_axes=(None, 0),
            out_axes=(None, None),
            devices=list(mesh.devices.flat) if jax.process_count() == 1 else None,
            donate_argnums=0,
        )
        local = len(mesh.local_devices)
        return lambda state, images: step(
            state, images.reshape(local, images.shape[0] // local, *images.shape[1:])
        )

    if mode == "shard_map":
        function = jax.shard_map(
            make_train_step(config, AXIS),
            mesh=mesh,
            in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
            out_specs=(PartitionSpec(), PartitionSpec()),
            # The step averages gradients itself, as under pmap; with the check on, JAX would too.
            check_vma=False,
        )
    else:
        function = make_train_step(config)
    compiled = jax.jit(
        function, in_shardings=(whole, split), out_shardings=(whole, whole), donate_argnums=0
    )
    return lambda state, images: compiled(
        state, jax.make_array_from_process_local_data(split, images)
    )
