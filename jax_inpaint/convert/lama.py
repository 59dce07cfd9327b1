"""LaMa: checkpoints of the official code, such as Big LaMa's, or its generator's state dict."""

import re
from functools import partial

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.convert.kinds import (
    Kind,
    Source,
    TensorPath,
    Tensors,
    count_modules,
    torch_source,
)
from jax_inpaint.models.lama import LaMaConfig


def _config(tensors: Tensors, *, prefix: str = "") -> LaMaConfig:
    return LaMaConfig(
        width=tensors[f"{prefix}model.1.ffc.convl2l.weight"].shape[0],
        blocks=count_modules(rf"{prefix}model\.(\d+)\.conv[12]\.", tensors),
    )


def _source(path: TensorPath, config: GeneratorConfig, *, prefix: str = "") -> Source:
    assert isinstance(config, LaMaConfig)
    _, *modules, leaf = path
    # Ours wrap the convolutions at the end in "conv", and can't have dots in names.
    names = [re.sub(r"_(\d+)$", r".\1", module) for module in modules if module != "conv"]
    upsampling = [f"model_{config.blocks + offset}" for offset in (6, 9, 12)]
    return torch_source(prefix + ".".join(names), leaf, transposed=modules[0] in upsampling)


KINDS = (
    Kind(
        name="a checkpoint of LaMa",
        mark=r"generator\.model\.\d+\.",
        # The generator's running average isn't what the official code fills with.
        unused=r"generator\..*\.num_batches_tracked$|generator_average\.|discriminator\.|loss_\w+\."
        r"|(val|test)_evaluator\.|extra_evaluators\.",
        read_config=partial(_config, prefix="generator."),
        source=partial(_source, prefix="generator."),
    ),
    Kind(
        name="the generator of a LaMa",
        mark=r"model\.\d+\.(ffc|conv[12])\.",
        unused=r"model\..*\.num_batches_tracked$",
        read_config=_config,
        source=_source,
    ),
)
