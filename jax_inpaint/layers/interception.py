"""What can be done around every layer of a network, without the network's knowing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array

Call = Callable[..., Any]


@contextmanager
def around_layers(around: Callable[[nn.Module, Call, tuple[Any, ...]], Any]) -> Iterator[None]:
    """Within it, calls of layers go through ``around(layer, call, inputs)``.

    A layer is the outermost module of this package: a gated convolution, say, or a residual block
    of Fourier convolutions. ``call(layer, *inputs)`` is the layer itself.
    """
    within = False

    def intercept(
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        nonlocal within
        is_layer = type(context.module).__module__.startswith(f"{__package__}.")
        if within or not is_layer or context.method_name != "__call__":
            return function(*args, **kwargs)
        within = True
        try:
            return around(context.module, lambda layer, *inputs: layer(*inputs, **kwargs), args)
        finally:
            within = False

    with nn.intercept_methods(intercept):
        yield


@contextmanager
def recomputed_layers() -> Iterator[None]:
    """Within it, networks keep the inputs of their layers for the gradient, and nothing else.

    What lies between a layer's input and output is worked out again when the gradient needs it:
    less memory, and about one more forward pass of work. Values are the same.
    """
    with around_layers(lambda layer, call, inputs: nn.remat(call)(layer, *inputs)):
        yield


@contextmanager
def gathered_rows(sharding: Any, least: int) -> Iterator[None]:
    """Within it, layers whose input has too few rows to be worth splitting get all of them.

    Args:
        sharding: of an array whose rows are whole.
        least: rows; images (B, H, W, C) with fewer are gathered.
    """

    def gather(x: Array) -> Array:
        few = getattr(x, "ndim", 0) == 4 and x.shape[1] < least
        return jax.lax.with_sharding_constraint(x, sharding) if few else x

    with around_layers(lambda layer, call, inputs: call(layer, *jax.tree.map(gather, inputs))):
        yield
