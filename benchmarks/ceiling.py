"""What the machine can do: a large product of matrices, and a large copy."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp

from benchmarks.experiments import Device
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.compilation import compile_for


def matrix_product(device: Device, repeats: int, dtype: str = "float32") -> list[Figure]:
    """GFLOP/s of a product of square matrices, by us and by PyTorch."""
    import torch

    side = 8192 if device == "gpu" else 2048
    a = jax.random.normal(jax.random.key(0), (side, side), dtype)
    b = torch.randn(side, side, dtype=getattr(torch, dtype))
    b = b.cuda() if device == "gpu" else b
    product = compile_for(jax.local_devices()[:1], jnp.matmul)
    ways = {OURS: lambda: product(a, a), "PyTorch": lambda: b @ b}
    what = f"product of {side}x{side} matrices, {dtype}"
    return compare("ceiling", what, ways, repeats, 2 * side**3 / 1e9, "GFLOP/s")


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Products in the types that are used there, and a copy of 256 MB."""
    import torch

    del compiled
    for dtype in ("float32", "bfloat16") if device == "gpu" else ("float32",):
        yield from matrix_product(device, repeats, dtype)
    x, y = jnp.ones(2**26), torch.ones(2**26)
    y = y.cuda() if device == "gpu" else y
    copy = compile_for(jax.local_devices()[:1], lambda x: x + 1)
    ways = {OURS: lambda: copy(x), "PyTorch": lambda: y + 1}
    yield from compare(
        "ceiling", "256 MB read and written", ways, repeats, 2 * 4 * 2**26 / 1e9, "GB/s"
    )


def best(figures: list[Figure]) -> float:
    """The highest of their medians."""
    return max(figure.median for figure in figures)
