"""Normalisation with PyTorch's constants, to hand to layers as ``norm=``."""

from functools import partial

import flax.linen as nn
from jax.typing import DTypeLike

from jax_inpaint.layers.convolution import Norm


def batch_norm(train: bool, axis_name: str | None, dtype: DTypeLike) -> Norm:
    """Batch normalisation, momentum 0.9 (PyTorch's 0.1), epsilon 1e-5, statistics in float32.

    Args:
        train: use and remember the batch's statistics; else use the remembered ones.
        axis_name: mapped axis over which statistics are shared; None where the batch is one array.
        dtype: of the result.
    """
    return partial(
        nn.BatchNorm,
        use_running_average=not train,
        momentum=0.9,
        epsilon=1e-5,
        axis_name=axis_name,
        dtype=dtype,
    )


def instance_norm(dtype: DTypeLike) -> Norm:
    """Every channel of every image to mean 0 and deviation 1, epsilon 1e-5, no parameters."""
    return partial(nn.InstanceNorm, epsilon=1e-5, use_bias=False, use_scale=False, dtype=dtype)
