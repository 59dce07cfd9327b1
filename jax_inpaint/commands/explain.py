"""``jax-inpaint explain``."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from jax_inpaint.commands.fill import quiet_decoders
from jax_inpaint.files import write_atomically
from jax_inpaint.images import (
    ImageFileError,
    Picture,
    check_writable,
    read_hole,
    read_picture,
    write_picture,
)
from jax_inpaint.inference.explanation import explain, summary
from jax_inpaint.inference.inpainter import check_hole
from jax_inpaint.inference.sheets import SHEETS, explanation_sheets
from jax_inpaint.weights import load_weights

_MISSING = {
    "gates": "no gated convolutions: there is no gates.png",
    "offset_flow": "no contextual attention: there is no offset_flow.png and no sources.png",
}


@dataclass(frozen=True)
class Explain:
    """Show what a generator does inside to fill the hole of a picture.

    Writes sheets of pictures into a folder: the stages of the fill; the gates of each layer, or
    what each layer of partial convolution knows; the offset flow of the attention; where the filled
    pixels came from. Their figures go into summary.json.
    """

    # picture to fill: JPEG, PNG, WebP, TIFF or BMP
    picture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PICTURE")]
    # of the same size; white (over mid-grey) is the hole
    mask: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MASK")]
    # folder to write to; it is made if there is none
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    weights: Path  # a weights file, or the workdir of a training run
    force: bool = False  # replace what an earlier call wrote into the folder

    def run(self) -> None:
        """Checks all it can before the network runs; says what each file shows."""
        paths = {name: self.output / f"{name}.png" for name in SHEETS}
        figures_path = self.output / "summary.json"
        with quiet_decoders():
            original, hole = read_picture(self.picture), read_hole(self.mask)
        check_hole(hole, original.size)
        self._check_output(*paths.values(), figures_path)
        config, variables = load_weights(self.weights)
        explanation = explain(config, variables, original.rgb(), hole)
        figures, sheets = summary(explanation), explanation_sheets(explanation)
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            for name, path in paths.items():
                if name in sheets:
                    write_picture(path, Picture(sheets[name], "RGB"), self.force)
                    print(f"{path}: {_about(name, figures, list(explanation.stages))}")
                else:
                    path.unlink(missing_ok=True)  # with --force, another generator's
            write_atomically(figures_path, (json.dumps(figures, indent=1) + "\n").encode())
        except OSError as error:
            raise ImageFileError(f"{self.output}: can't be written ({error.strerror})") from error
        print(f"{figures_path}: figures of all this")
        for name, missing in _MISSING.items():
            if name not in sheets:
                print(f"{config.architecture} has {missing}")

    def _check_output(self, *paths: Path) -> None:
        if not os.path.lexists(self.output):
            return
        check_writable(self.output / "any.png", Picture(np.zeros((1, 1, 3), np.uint8), "RGB"), True)
        for path in paths:
            if os.path.lexists(path) and not self.force:
                raise ImageFileError(f"{path}: exists already; --force replaces it")


def _about(name: str, figures: dict[str, Any], stages: list[str]) -> str:
    """What a sheet shows, in a line."""
    attention = figures["attention"]
    if name == "stages":
        return ", ".join(["masked", *stages])
    if name == "gates":
        layer = max(figures["gates"], key=lambda layer: abs(layer["hole"] - layer["outside"]))
        return (
            f"{len(figures['gates'])} gated layers; {layer['layer']} reacts most to the hole, "
            f"with a mean gate of {layer['hole']:.2f} in it and {layer['outside']:.2f} outside"
        )
    if name == "known":
        closed = (layer["layer"] for layer in figures["known"] if layer["hole"] == 1)
        return (
            f"{len(figures['known'])} layers of partial convolution; the hole is closed "
            f"{f'from {first} on' if (first := next(closed, None)) else 'in none of them'}"
        )
    if name == "offset_flow":
        return f"where attention looks from each block of {attention['block']} pixels"
    if not attention["looking_elsewhere"]:
        return f"none of the {attention['blocks_in_hole']} blocks in the hole looks elsewhere"
    return (
        f"{attention['looking_elsewhere']} of the {attention['blocks_in_hole']} blocks in the hole "
        f"look at {attention['different_sources']} others, half of them at least "
        f"{attention['median_distance']:.0f} pixels away"
    )
