"""Contextual attention alone, beside PyTorch's."""

from collections.abc import Iterator

import jax

from benchmarks.experiments import Device, picture, to_torch
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.compilation import compile_for
from jax_inpaint.ops.attention import contextual_attention


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Seconds for 96 channels at a quarter of the picture's size, forward and with gradient."""
    import torch

    from benchmarks.twin.network import ContextualAttention

    del compiled
    for size in (256, 512, 1024):
        side = size // 4
        x = jax.random.normal(jax.random.key(0), (1, side, side, 96))
        mask = picture(1, size)[1][:, ::4, ::4]
        tensors = to_torch(x, device), to_torch(mask, device)
        theirs = ContextualAttention()

        def ours(x: jax.Array, mask: jax.Array) -> jax.Array:
            return contextual_attention(x, x, mask)[0]

        attend = compile_for(jax.local_devices()[:1], ours)
        ways = {
            OURS: lambda: attend(x, mask),  # noqa: B023
            "PyTorch": torch.inference_mode()(lambda: theirs(*tensors)),  # noqa: B023
        }
        yield from compare("attention", f"picture of {size}x{size}: forward", ways, repeats)
        if size == 1024:
            continue
        gradient = compile_for(
            jax.local_devices()[:1],
            jax.grad(lambda x, mask: (ours(x, mask) ** 2).sum()),
        )

        def backward() -> torch.Tensor:
            leaf = tensors[0].requires_grad_()  # noqa: B023
            theirs(leaf, tensors[1]).square().sum().backward()  # noqa: B023
            result, leaf.grad = leaf.grad, None
            return result

        ways = {
            OURS: lambda: gradient(x, mask),  # noqa: B023
            "PyTorch": backward,
        }
        yield from compare("attention", f"picture of {size}x{size}: gradient", ways, repeats)
