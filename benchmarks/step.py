"""The training step of the published DeepFillv2, and of the quickstart."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax

from benchmarks import ceiling
from benchmarks.experiments import (
    CONFIGS,
    Device,
    count_torch,
    deepfillv2,
    example,
    to_torch,
    torch_forms,
)
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.config import Config, load_config
from jax_inpaint.training.mesh import device_mesh, place_state
from jax_inpaint.training.parallel import parallel_step
from jax_inpaint.training.state import init_state


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Seconds a step of the quickstart, and at 256x256; on a GPU in bfloat16, in larger batches."""
    quickstart = load_config(CONFIGS / "quickstart.py")
    ways = {OURS: our_step(quickstart, example(4, 64))}
    yield from compare("step", "quickstart, 64x64, batch 4", ways, repeats)
    dtype = "bfloat16" if device == "gpu" else "float32"
    most = ceiling.best(ceiling.matrix_product(device, repeats, dtype))
    for batch in (16, 32, 64) if device == "gpu" else (2, 4):
        yield from _step(device, repeats, compiled, batch, dtype, most)


def our_step(config: Config, batch: Any) -> Callable[[], Any]:
    """A call of our step with its batch in memory; every call trains on."""
    mesh = device_mesh()
    state = place_state(init_state(config), mesh)
    step = parallel_step(config, mesh)

    def call() -> Any:
        nonlocal state
        state, metrics = step(state, batch, 0)
        return state, metrics

    return call


def _step(
    device: Device, repeats: int, compiled: bool, batch_size: int, dtype: Any, most: float
) -> Iterator[Figure]:
    from benchmarks.twin import build_step

    config, batch = deepfillv2(batch_size, dtype), example(batch_size, 256)
    tensors = {name: to_torch(array, device) for name, array in batch.items()}
    where = "cuda" if device == "gpu" else "cpu"
    state = init_state(config)
    ways: dict[str, Callable[[], Any]] = {OURS: our_step(config, batch)}
    for form in torch_forms(device, compiled):
        step = build_step(config, state, form, where)
        ways[f"PyTorch, {form}"] = lambda step=step: step(tensors)
    work = count_torch(next(ways[name] for name in ways if "eager" in name)) / 1e9
    what = f"step 256x256, batch {batch_size}, {work:.0f} GFLOP as published"
    for figure in compare("step", what, ways, max(3, repeats // 2)):
        yield dataclasses.replace(figure, share=work / figure.median / most)
    jax.clear_caches()
