"""The partial-convolution U-Net of naoto0804's PyTorch code, with its own layer or NVIDIA's."""

import math
from functools import partial

import numpy as np

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.convert.kinds import (
    Kind,
    Source,
    TensorPath,
    Tensors,
    count_modules,
    torch_source,
)
from jax_inpaint.models.partial_unet import PartialUNetConfig


def _config(tensors: Tensors, *, first_kernel: str) -> PartialUNetConfig:
    return PartialUNetConfig(
        width=tensors[first_kernel].shape[0],
        levels=count_modules(r"enc_(\d+)\.", tensors),
        normalization="imagenet",
    )


def _source(path: TensorPath, __: GeneratorConfig, *, convolution: str) -> Source:
    _, layer, *inner, leaf = path
    block = f"{layer[:3]}_{layer[3:]}"  # enc1 is enc_1
    return torch_source(f"{block}.{'bn' if inner == ['norm'] else convolution}", leaf)


def _count_window(path: TensorPath, array: np.ndarray) -> np.ndarray:
    """Kernels for the rule of the paper.

    The port divides a sum by how many values of its window are known, and doesn't multiply by the
    window's size as it should; its weights have learnt to live with it.
    """
    return array / math.prod(array.shape[:3]) if path[-1] == "kernel" else array


KINDS = (
    Kind(
        name="a partial U-Net of naoto0804's code",
        mark=r"(enc|dec)_\d+\.conv\.(input|mask)_conv\.",
        unused=r"(enc|dec)_\d+\.(conv\.mask_conv\.weight|bn\.num_batches_tracked)$",
        read_config=partial(_config, first_kernel="enc_1.conv.input_conv.weight"),
        source=partial(_source, convolution="conv.input_conv"),
        adapt=_count_window,
    ),
    Kind(
        name="a partial U-Net of naoto0804's code with NVIDIA's layer",
        mark=r"(enc|dec)_\d+\.conv\.(weight|bias)$",
        unused=r"(enc|dec)_\d+\.bn\.num_batches_tracked$",
        read_config=partial(_config, first_kernel="enc_1.conv.weight"),
        source=partial(_source, convolution="conv"),
    ),
)
