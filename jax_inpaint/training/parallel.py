"""Three thin ways to run the same step on all devices: jit, shard_map and pmap."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cache, partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from jax_inpaint.compilation import compile_for
from jax_inpaint.config import Config, Phase
from jax_inpaint.layers.interception import gathered_rows
from jax_inpaint.processes import meet
from jax_inpaint.training.mesh import (
    BATCH,
    DATA,
    SPATIAL,
    HostBatch,
    batch_share,
    check_mesh,
    place_batch,
    replicate,
    state_shardings,
)
from jax_inpaint.training.schedule import phase_at
from jax_inpaint.training.state import TrainState, describe_state
from jax_inpaint.training.step import Metrics, make_train_step

# Rows of a layer's input for each device. With one or two, XLA's gradients of strided convolutions
# are wrong or its compiler ends the process (jaxlib 0.10); from four on both are right.
_LEAST_ROWS = 8


StepsMetrics = dict[str, Float[Array, "*steps"]]
Steps = Callable[[TrainState, Sequence[HostBatch], int], tuple[TrainState, StepsMetrics]]


def parallel_steps(
    config: Config, mesh: Mesh, feature_params: Mapping[str, Any] | None = None
) -> Steps:
    """``(state, batches, steps done) -> (state, metrics)``: a step for each batch, in one call.

    Compiled once for each phase and number of batches; all steps must be of one phase. Where there
    are several, metrics have a leading axis for them. Batches are this process's shares of them,
    NumPy arrays. Metrics are whole on every device, images are split, and the state is as
    :func:`~jax_inpaint.training.mesh.place_state` puts it. The state passed in is donated: it must
    not be used afterwards.

    Args:
        config: the experiment.
        mesh: the devices.
        feature_params: parameters of the feature networks that the objective looks through.

    Raises:
        ConfigError: if the devices can't share the batch evenly.
    """
    check_mesh(config, mesh)
    batch_share(mesh)
    features = replicate(dict(feature_params or {}), mesh)
    wrap = _pmap if config.train.parallel == "pmap" else _global
    compiled = cache(lambda phase: wrap(config, phase, mesh))
    several = cache(lambda phase: _several(config, phase, mesh))

    def run(
        state: TrainState, batches: Sequence[HostBatch], step: int
    ) -> tuple[TrainState, StepsMetrics]:
        phase = phase_at(config.objective, step)
        if len(batches) > 1:
            stacked = {name: np.stack([b[name] for b in batches]) for name in batches[0]}
            return several(phase)(state, stacked, features)
        return compiled(phase)(state, batches[0], features)

    return run


def parallel_step(
    config: Config, mesh: Mesh, feature_params: Mapping[str, Any] | None = None
) -> Callable[[TrainState, HostBatch, int], tuple[TrainState, Metrics]]:
    """:func:`parallel_steps` of one batch at a time: ``(state, batch, steps done)``."""
    steps = parallel_steps(config, mesh, feature_params)
    return lambda state, batch, step: steps(state, [batch], step)


def sharded_step(config: Config, phase: Phase, mesh: Mesh) -> Any:
    """The step ``(state, batch, feature_params) -> (state, metrics)`` under ``jax.jit``.

    State, parameters and metrics are whole on every device but for what ``fsdp`` shares out, images
    are split; the state is donated. Its ``lower`` takes shapes, and a mesh of devices that are only
    described, as well. What is to run under ``pmap`` comes as ``shard_map``, which is what JAX
    makes of it.

    Args:
        config: the experiment.
        phase: who learns.
        mesh: the devices.
    """
    function, batch = _step_function(config, phase, mesh)
    return _compile(config, mesh, function, batch)


def _step_function(config: Config, phase: Phase, mesh: Mesh) -> tuple[Any, PartitionSpec]:
    """The step on global arrays, and how its batch is split."""
    if config.train.parallel == "jit":
        # Without the constraint the compiler would multiply by parts of a kernel and exchange
        # features, which are larger.
        whole = NamedSharding(mesh, PartitionSpec())
        gather = partial(jax.lax.with_sharding_constraint, shardings=whole)
        around: Any = nullcontext
        if (rows := mesh.shape[SPATIAL]) > 1:
            whole_images = NamedSharding(mesh, PartitionSpec(BATCH[0]))
            around = partial(gathered_rows, whole_images, rows * _LEAST_ROWS)
        return make_train_step(config, phase, gather=gather, around=around), BATCH
    batch = PartitionSpec(DATA)
    function = jax.shard_map(
        make_train_step(config, phase, DATA),
        mesh=mesh,
        in_specs=(PartitionSpec(), batch, PartitionSpec()),
        out_specs=(PartitionSpec(), PartitionSpec()),
        # The step averages gradients itself, as under pmap; with the check on, JAX would too.
        check_vma=False,
    )
    return function, batch


def _compile(config: Config, mesh: Mesh, function: Any, batch: PartitionSpec) -> Any:
    everywhere = NamedSharding(mesh, PartitionSpec())
    state = state_shardings(describe_state(config), mesh)
    return compile_for(
        list(mesh.devices.flat),
        function,
        # Level 3 takes LLVM a quarter longer, and steps are no faster.
        code_level=2,
        in_shardings=(state, NamedSharding(mesh, batch), everywhere),
        out_shardings=(state, everywhere),
        donate_argnums=0,
    )


def _global(config: Config, phase: Phase, mesh: Mesh) -> Callable[..., Any]:
    step = sharded_step(config, phase, mesh)
    return _together(step, lambda batch: place_batch(batch, mesh))


def _several(config: Config, phase: Phase, mesh: Mesh) -> Callable[..., Any]:
    step, batch = _step_function(config, phase, mesh)

    def steps(state: TrainState, batches: Any, features: Any) -> tuple[TrainState, StepsMetrics]:
        return jax.lax.scan(lambda state, batch: step(state, batch, features), state, batches)

    compiled = _compile(config, mesh, steps, PartitionSpec(None, *batch))
    return _together(compiled, lambda batches: place_batch(batches, mesh, stacked=True))


def _pmap(config: Config, phase: Phase, mesh: Mesh) -> Callable[..., Any]:
    step = jax.pmap(
        make_train_step(config, phase, DATA),
        axis_name=DATA,
        in_axes=(None, 0, None),
        out_axes=(None, None),
        devices=list(mesh.devices.flat) if jax.process_count() == 1 else None,
        donate_argnums=0,
    )
    # Unlike the other two, pmap wants the devices as a leading axis of what it maps over.
    local = len(mesh.local_devices)
    return _together(
        step,
        lambda batch: {
            name: x.reshape(local, len(x) // local, *x.shape[1:]) for name, x in batch.items()
        },
    )


def _together(step: Any, place: Callable[[HostBatch], Any]) -> Callable[..., Any]:
    """The step on a batch as the host has it; all processes begin once all have compiled it."""
    met = set()

    def run(state: TrainState, batch: HostBatch, features: Any) -> tuple[TrainState, StepsMetrics]:
        placed = place(batch)
        shapes = tuple(x.shape for x in placed.values())
        if jax.process_count() > 1 and shapes not in met:
            step.lower(state, placed, features).compile()
            meet("compiled")
            met.add(shapes)
        return step(state, placed, features)

    return run
