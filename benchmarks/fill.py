"""Filling pictures of several sizes."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax

from benchmarks import ceiling
from benchmarks.experiments import (
    Device,
    count_torch,
    deepfillv2,
    picture,
    to_torch,
    torch_forms,
)
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.compilation import compile_for
from jax_inpaint.training.state import init_state


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Seconds a picture at 256, 512 and 1024; on a GPU in bfloat16, alone and in batches."""
    dtype = "bfloat16" if device == "gpu" else "float32"
    most = ceiling.best(ceiling.matrix_product(device, repeats, dtype))
    sizes = [(256, 1), (512, 1), (1024, 1)]
    if device == "gpu":
        sizes += [(256, 64), (512, 16), (512, 32)]
    for size, batch in sizes:
        yield from _fill(device, repeats, compiled and size < 1024, size, batch, dtype, most)


def our_fill(dtype: Any) -> tuple[Callable[..., Any], Any]:
    """Our compiled fill ``(params, image, mask)``, and parameters."""
    config = deepfillv2(1, dtype)
    generator = config.generator.build_to_fill()

    def fill(params: Any, image: Any, mask: Any) -> Any:
        outputs: Any = generator.apply({"params": params}, image, mask)
        return outputs["composite"]

    return compile_for(jax.local_devices()[:1], fill), init_state(config).generator


def _fill(
    device: Device,
    repeats: int,
    compiled: bool,
    size: int,
    batch: int,
    dtype: str,
    most: float,
) -> Iterator[Figure]:
    from benchmarks.twin import build_fill

    fill, params = our_fill(dtype)
    image, mask = picture(batch, size)
    tensors = to_torch(image, device), to_torch(mask, device)
    where = "cuda" if device == "gpu" else "cpu"
    ways: dict[str, Callable[[], Any]] = {OURS: partial(fill, params, image, mask)}
    for form in torch_forms(device, compiled):
        ways[f"PyTorch, {form}"] = partial(build_fill(params, form, where), *tensors)
    eager = next(ways[name] for name in ways if "eager" in name)
    work = count_torch(eager) / 1e9
    repeats = repeats if size < 1024 else max(3, repeats // 3)
    what = f"fill {size}x{size}, batch {batch}, {work / batch:.0f} GFLOP a picture as published"
    for figure in compare("fill", what, ways, repeats, unit="s"):
        yield _with_share(figure, work, most)


def _with_share(figure: Figure, work: float, most: float) -> Figure:
    import dataclasses

    return dataclasses.replace(figure, share=work / figure.median / most)
