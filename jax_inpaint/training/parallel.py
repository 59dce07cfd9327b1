"""Three thin ways to run the same step on all devices: jit, shard_map and pmap."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.compilation import compile_for
from jax_inpaint.config import Config, ConfigError, Phase
from jax_inpaint.training.schedule import phase_at
from jax_inpaint.training.state import TrainState
from jax_inpaint.training.step import Metrics, make_train_step

AXIS = "data"

HostBatch = Mapping[str, np.ndarray]


def device_mesh() -> Mesh:
    """All devices of all processes in one row."""
    return Mesh(np.array(jax.devices()), (AXIS,))


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The tree, whole, on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def parallel_step(
    config: Config, mesh: Mesh, feature_params: Mapping[str, Any] | None = None
) -> Callable[[TrainState, HostBatch, int], tuple[TrainState, Metrics]]:
    """The step ``(state, batch, steps done) -> (state, metrics)``, compiled once for each phase.

    It takes this process's share of the batch as NumPy arrays. State and metrics are whole on every
    device, images are split. The state passed in is donated: it must not be used afterwards.

    Args:
        config: the experiment.
        mesh: the devices.
        feature_params: parameters of the feature networks that the objective looks through.

    Raises:
        ConfigError: if the devices can't share the batch evenly.
    """
    for batch_size in (config.train.batch_size, *(s.batch_size for s in config.train.stages)):
        if batch_size % mesh.size:
            raise ConfigError(
                f"batch_size {batch_size} must be a multiple of the number of devices, {mesh.size}"
            )
    features = replicate(dict(feature_params or {}), mesh)
    wrap = _pmap if config.train.parallel == "pmap" else _global
    compiled = cache(lambda phase: wrap(config, phase, mesh))
    return lambda state, batch, step: compiled(phase_at(config.objective, step))(
        state, batch, features
    )


def sharded_step(config: Config, phase: Phase, mesh: Mesh) -> Any:
    """The step ``(state, batch, feature_params) -> (state, metrics)`` under ``jax.jit``.

    State, parameters and metrics are whole on every device, images are split; the state is donated.
    Its ``lower`` takes shapes, and a mesh of devices that are only described, as well. What is to
    run under ``pmap`` comes as ``shard_map``, which is what JAX makes of it.

    Args:
        config: the experiment.
        phase: who learns.
        mesh: the devices.
    """
    whole, split = PartitionSpec(), PartitionSpec(AXIS)
    if config.train.parallel == "jit":
        function = make_train_step(config, phase)
    else:
        function = jax.shard_map(
            make_train_step(config, phase, AXIS),
            mesh=mesh,
            in_specs=(whole, split, whole),
            out_specs=(whole, whole),
            # The step averages gradients itself, as under pmap; with the check on, JAX would too.
            check_vma=False,
        )
    shardings = tuple(NamedSharding(mesh, spec) for spec in (whole, split, whole))
    return compile_for(
        list(mesh.devices.flat),
        function,
        # Level 3 takes LLVM a quarter longer, and steps are no faster.
        code_level=2,
        in_shardings=shardings,
        out_shardings=shardings[0],
        donate_argnums=0,
    )


def _global(config: Config, phase: Phase, mesh: Mesh) -> Callable[..., Any]:
    step, split = sharded_step(config, phase, mesh), NamedSharding(mesh, PartitionSpec(AXIS))
    return lambda state, batch, features: step(
        state,
        {name: jax.make_array_from_process_local_data(split, x) for name, x in batch.items()},
        features,
    )


def _pmap(config: Config, phase: Phase, mesh: Mesh) -> Callable[..., Any]:
    step = jax.pmap(
        make_train_step(config, phase, AXIS),
        axis_name=AXIS,
        in_axes=(None, 0, None),
        out_axes=(None, None),
        devices=list(mesh.devices.flat) if jax.process_count() == 1 else None,
        donate_argnums=0,
    )
    # Unlike the other two, pmap wants the devices as a leading axis of what it maps over.
    local = len(mesh.local_devices)
    return lambda state, batch, features: step(
        state,
        {name: x.reshape(local, len(x) // local, *x.shape[1:]) for name, x in batch.items()},
        features,
    )
