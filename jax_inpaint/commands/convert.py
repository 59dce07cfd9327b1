"""``jax-inpaint convert``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro

from jax_inpaint.config import to_dict
from jax_inpaint.convert import ConvertError, convert
from jax_inpaint.weights import save_weights


@dataclass(frozen=True)
class Convert:
    """Turn weights of other systems, or a checkpoint of a training run, into a weights file.

    Knows DeepFillv2 (the official TensorFlow checkpoint; states_tf and states_pt of nipponjo's
    PyTorch port), the partial-convolution U-Net (naoto0804's code, with its own layer or NVIDIA's),
    LaMa (Big LaMa's best.ckpt), and our own runs. Weights keep the licence that they came with.
    """

    # a PyTorch or safetensors file, a TensorFlow checkpoint, or the workdir of a training run
    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="SOURCE")]
    # weights file to write, such as weights.safetensors
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # colours that a DeepFillv2 checkpoint works in; auto: bgr for the official one, else rgb
    color_order: Literal["auto", "rgb", "bgr"] = "auto"
    step: int | None = None  # which checkpoint of a training run; none: the last one
    force: bool = False  # replace the output if it exists

    def run(self) -> None:
        """Checks that it could write, converts, writes, and says what it was and became."""
        self._check_output()
        order = None if self.color_order == "auto" else self.color_order
        kind, config, variables, size = convert(self.source, color_order=order, step=self.step)
        try:
            save_weights(self.output, config, variables, size)
        except OSError as error:
            raise ConvertError(f"{self.output} can't be written ({error.strerror})") from error
        settings = to_dict(config)
        architecture = settings.pop("architecture")
        count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
        print(f"{self.source}: {kind}")
        print(f"{architecture}: " + ", ".join(f"{name} {settings[name]}" for name in settings))
        print(f"{self.output}: {count:,} parameters, {self.output.stat().st_size / 1e6:.1f} MB")

    def _check_output(self) -> None:
        if self.output.suffix != ".safetensors":
            raise ConvertError(f"{self.output}: the name must end in .safetensors")
        if not os.access(self.output.parent, os.W_OK | os.X_OK):
            raise ConvertError(f"{self.output}: {self.output.parent} is no folder to write to")
        if os.path.lexists(self.output) and not self.force:
            raise ConvertError(f"{self.output}: exists already; --force replaces it")
