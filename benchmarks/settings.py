"""What settings that save memory cost: the training step with each of them."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax

from benchmarks.experiments import Device, deepfillv2, example
from benchmarks.measure import OURS, Figure, compare, single
from jax_inpaint.config import Config
from jax_inpaint.training.mesh import device_mesh, place_batch, place_state
from jax_inpaint.training.parallel import sharded_step
from jax_inpaint.training.state import init_state

SETTINGS: dict[str, dict[str, Any]] = {
    OURS: {},
    "with train.remat": {"remat": True},
    "with train.accumulate 2": {"accumulate": 2},
    "with train.accumulate 4": {"accumulate": 4},
}


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Seconds a step, and the memory that its intermediate results take."""
    del compiled
    batch_size, dtype = (32, "bfloat16") if device == "gpu" else (4, "float32")
    config, batch = deepfillv2(batch_size, dtype), example(batch_size, 256)
    ways, memory = {}, {}
    for name, changes in SETTINGS.items():
        train = dataclasses.replace(config.train, **changes)
        ways[name], memory[name] = _step(dataclasses.replace(config, train=train), batch)
    what = f"step 256x256, batch {batch_size}"
    yield from compare("settings", what, ways, max(3, repeats // 2))
    for name, size in memory.items():
        yield single("settings", f"{what}: intermediate results", size / 1e9, "GB", name)


def _step(config: Config, batch: Any) -> tuple[Callable[[], Any], int]:
    """A call of the step, and the bytes of its intermediate results."""
    mesh = device_mesh()
    placed, state = place_batch(batch, mesh), place_state(init_state(config), mesh)
    step = sharded_step(config, config.objective.phases[-1], mesh)
    program = step.lower(state, placed, {}).compile()

    def call() -> Any:
        nonlocal state
        state, metrics = program(state, placed, {})
        return jax.block_until_ready((state, metrics))

    return call, program.memory_analysis().temp_size_in_bytes
