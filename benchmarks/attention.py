"""Contextual attention alone: in tiles, as it is defined, and PyTorch's."""

from collections.abc import Callable, Iterator
from functools import partial

import jax

from benchmarks.experiments import Device, picture, to_torch
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.compilation import compile_for
from jax_inpaint.ops.attention import contextual_attention, dense_contextual_attention

FORMS = {OURS: contextual_attention, "dense": dense_contextual_attention}


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

        ways = {form: partial(forward(form), x, mask) for form in FORMS}
        ways["PyTorch"] = torch.inference_mode()(partial(theirs, *tensors))
        yield from compare("attention", f"picture of {size}x{size}: forward", ways, repeats)
        if size == 1024:
            continue

        def backward() -> torch.Tensor:
            leaf = tensors[0].requires_grad_()  # noqa: B023
            theirs(leaf, tensors[1]).square().sum().backward()  # noqa: B023
            result, leaf.grad = leaf.grad, None
            return result

        ways = {form: partial(gradient(form), x, mask) for form in FORMS}
        ways["PyTorch"] = backward
        yield from compare("attention", f"picture of {size}x{size}: gradient", ways, repeats)


def forward(form: str) -> Callable[..., jax.Array]:
    """Attended features from features and mask, compiled."""
    return compile_for(jax.local_devices()[:1], lambda x, mask: FORMS[form](x, x, mask)[0])


def gradient(form: str) -> Callable[..., jax.Array]:
    """The gradient of the attended features' square, compiled."""
    return compile_for(
        jax.local_devices()[:1],
        jax.grad(lambda x, mask: (FORMS[form](x, x, mask)[0] ** 2).sum()),
    )
