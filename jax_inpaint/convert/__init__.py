"""Weights of other systems, and of our own runs, as ours.

A kind of checkpoint is recognised from its tensors' names. The files here list, kind by kind, what
each of our tensors is called there.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from jax_inpaint import tensorflow_files, torch_files
from jax_inpaint.convert import deepfillv2, lama, partial_unet
from jax_inpaint.convert.kinds import ColorOrder, Converted, ConvertError, Tensors
from jax_inpaint.convert.workdir import convert_workdir
from jax_inpaint.weights import FILE_NAME, load_weights, trained_size

__all__ = ["ColorOrder", "ConvertError", "Converted", "convert"]

KINDS = (*deepfillv2.KINDS, *partial_unet.KINDS, *lama.KINDS)

# Where training scripts keep the generator's tensors in their checkpoints.
_GENERATOR_KEYS = ("G", "model", "state_dict")


def convert(
    source: str | os.PathLike[str],
    *,
    color_order: ColorOrder | None = None,
    step: int | None = None,
) -> Converted:
    """Makes a generator of ours from a checkpoint.

    Args:
        source: a PyTorch or safetensors file; a TensorFlow checkpoint (its folder, prefix or
            ``.index`` file); the workdir of one of our runs; or weights of ours, which stay as
            they are.
        color_order: that a DeepFillv2 checkpoint works in. None: ``"bgr"`` for the official one,
            whose pictures were read with OpenCV, and ``"rgb"`` for the PyTorch port, which is fed
            RGB. (How the port's ``states_tf`` were converted isn't documented. If fills look
            tinted, the other order is right.)
        step: which checkpoint of a run; None for the last one.

    Raises:
        TensorFileError: if the source isn't there, can't be read or isn't of a known kind, or
            tensors are missing, left over, wrongly shaped or not finite.
        WeightsError: for weights of ours that can't be used.
    """
    source = Path(source)
    try:
        ours = _convert_ours(source, step)
        if ours is None:
            return _convert_foreign(source, color_order)
    except OSError as error:
        raise ConvertError(f"{source} can't be read ({error.strerror})") from error
    if color_order:
        raise ConvertError(f"{source}: {ours.kind} works in RGB, there is no colour order to set")
    return ours


def _convert_ours(source: Path, step: int | None) -> Converted | None:
    if (source / "checkpoints").is_dir() and (source / "config.json").is_file():
        return convert_workdir(source, step)
    if step is not None:
        raise ConvertError(f"{source} is no workdir of a training run, so it has no step {step}")
    if (source / FILE_NAME).is_file() or _has_our_header(source):
        return Converted("weights of jax_inpaint", *load_weights(source), trained_size(source))
    return None


def _has_our_header(source: Path) -> bool:
    if source.suffix != ".safetensors" or not source.is_file():
        return False
    try:
        with safetensors.safe_open(source, framework="numpy") as file:
            return "architecture" in (file.metadata() or {})
    except safetensors.SafetensorError:
        return False


def _convert_foreign(source: Path, color_order: ColorOrder | None) -> Converted:
    prefix = tensorflow_files.find_checkpoint(source)
    if prefix is not None:
        tensors: Tensors = tensorflow_files.read_checkpoint(prefix)
    elif source.is_dir():
        raise ConvertError(
            f"{source} holds neither a training run, nor {FILE_NAME}, nor a TensorFlow checkpoint; "
            "for another one, name the file"
        )
    else:
        tensors = _generator_tensors(torch_files.read_checkpoint(source, skip_objects=True))
    for kind in KINDS:
        if kind.recognises(tensors):
            return kind.convert(source, tensors, color_order)
    names = sorted(map(str, tensors))
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    raise ConvertError(
        f"{source} isn't of a kind that can be converted, which are "
        f"{', '.join(kind.name for kind in KINDS)}. "
        + (f"Its tensors are {', '.join(names[:5])}{more}" if names else "It holds no tensors")
    )


def _generator_tensors(checkpoint: Mapping[Any, Any]) -> Tensors:
    inner = [checkpoint[key] for key in _GENERATOR_KEYS if key in checkpoint]
    tensors = next((value for value in inner if isinstance(value, Mapping)), checkpoint)
    return {
        name: value
        for name, value in tensors.items()
        if isinstance(name, str) and isinstance(value, np.ndarray)
    }
