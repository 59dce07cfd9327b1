"""What a kind of foreign checkpoint is, and the rules that all kinds share.

A converter is written from our side: for each of our tensors it names theirs. What that leaves
over must be known to be of no use here.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from flax import traverse_util

from jax_inpaint.config import GeneratorConfig, Size
from jax_inpaint.torch_files import TORCH_LEAVES, TensorFileError, require_shapes
from jax_inpaint.weights import Variables, variable_shapes

ColorOrder = Literal["rgb", "bgr"]
Tensors = Mapping[str, np.ndarray]
TensorPath = tuple[str, ...]  # of ours, such as ("params", "coarse", "conv1", "conv", "kernel")


class ConvertError(TensorFileError):
    """A source that can't be converted; the message names it and says why."""


class Converted(NamedTuple):
    """A generator: what it was recognised as, and what :func:`save_weights` takes."""

    kind: str
    config: GeneratorConfig
    variables: Variables
    size: Size | None = None


class Source(NamedTuple):
    """Where one of our tensors comes from."""

    name: str  # theirs
    axes: tuple[int, ...] = ()  # ours, as axes of theirs; empty: the same
    mirrored: bool = False  # in height and width, as kernels of transposed convolutions are

    def shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """Theirs, for a shape of ours."""
        return tuple(ours[self.axes.index(i)] for i in range(len(ours))) if self.axes else ours

    def read(self, tensors: Tensors) -> np.ndarray:
        """Their tensor in our layout."""
        array = tensors[self.name]
        array = array.transpose(self.axes) if self.axes else array
        return array[::-1, ::-1] if self.mirrored else array


def torch_source(module: str, leaf: str, *, transposed: bool = False) -> Source:
    """A parameter or statistic of a PyTorch module.

    Kernels, (out, in, height, width) there, become (height, width, in, out). Those of a transposed
    convolution are (in, out, height, width) there, and mirrored.
    """
    name = f"{module}.{TORCH_LEAVES[leaf]}"
    if leaf != "kernel":
        return Source(name)
    return Source(name, (2, 3, 0, 1), mirrored=True) if transposed else Source(name, (2, 3, 1, 0))


def unchanged(_: TensorPath, array: np.ndarray) -> np.ndarray:
    """The array."""
    return array


@dataclass(frozen=True)
class Kind:
    """A kind of checkpoint: how to recognise it, and what to make of it."""

    name: str  # what users are told that it is
    mark: str  # pattern that a name of a tensor in it, and in no other kind, begins with
    unused: str  # pattern of the names of tensors that belong there, and aren't needed
    read_config: Callable[[Tensors], GeneratorConfig]  # the generator, from names and shapes
    source: Callable[[TensorPath, GeneratorConfig], Source]
    adapt: Callable[[TensorPath, np.ndarray], np.ndarray] = unchanged  # values, in our layout
    color_order: ColorOrder = "rgb"  # that its networks work in, if not told otherwise
    reverse_colors: Callable[[TensorPath, np.ndarray], np.ndarray] | None = None  # adapt to RGB

    def recognises(self, tensors: Tensors) -> bool:
        """Whether a checkpoint with these tensors is of this kind."""
        return any(re.match(self.mark, name) for name in tensors)

    def convert(
        self, file: str | os.PathLike[str], tensors: Tensors, color_order: ColorOrder | None
    ) -> Converted:
        """A generator from the tensors of ``file``, which the messages name.

        Raises:
            TensorFileError: naming tensors that are missing, left over, of another shape or not
                finite; or if a colour order is given for a kind that comes in only one.
        """
        if color_order and not self.reverse_colors:
            raise ConvertError(f"{file}: {self.name} work in RGB, there is no colour order to set")
        config = self._read_config(file, tensors)
        shapes = {
            (collection, *name.split(".")): shape
            for collection, names in variable_shapes(config).items()
            for name, shape in names.items()
        }
        sources = {path: self.source(path, config) for path in shapes}
        require_shapes(
            f"{file}, which looks like {self.name}{_width(config)},",
            {name: array for name, array in tensors.items() if not re.match(self.unused, name)},
            {source.name: source.shape(shapes[path]) for path, source in sources.items()},
        )
        arrays = {path: self.adapt(path, source.read(tensors)) for path, source in sources.items()}
        for path, array in arrays.items():
            if not np.isfinite(array).all():
                raise ConvertError(f"{file}: {sources[path].name} holds NaN or infinity")
        if self.reverse_colors and (color_order or self.color_order) == "bgr":
            arrays = {path: self.reverse_colors(path, array) for path, array in arrays.items()}
        variables = {"params": {}, "batch_stats": {}} | traverse_util.unflatten_dict(arrays)
        return Converted(self.name, config, variables)

    def _read_config(self, file: str | os.PathLike[str], tensors: Tensors) -> GeneratorConfig:
        try:
            return self.read_config(tensors)
        except KeyError as error:
            raise ConvertError(
                f"{file}, which looks like {self.name}, has no tensor {error.args[0]}"
            ) from error
        except (ValueError, IndexError) as error:
            raise ConvertError(
                f"{file}, which looks like {self.name}, has shapes of no generator ({error})"
            ) from error


def _width(config: GeneratorConfig) -> str:
    width = getattr(config, "width", None)
    return f" of width {width}" if width else ""


def count_modules(pattern: str, tensors: Tensors) -> int:
    """How many different numbers the pattern's group finds in names."""
    found = (re.match(pattern, name) for name in tensors)
    return len({match[1] for match in found if match})
