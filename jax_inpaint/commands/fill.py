"""``jax-inpaint fill``."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jax_inpaint.images import (
    check_writable,
    is_lossless,
    read_hole,
    read_picture,
    write_picture,
)
from jax_inpaint.inference.inpainter import Blend, Inpainter, check_fillable


@dataclass(frozen=True)
class Fill:
    """Fill the hole of a picture.

    Pixels outside the hole come back bit for bit where the output format is lossless (PNG, WebP,
    TIFF, BMP); grey, alpha, 16 bits and CMYK are kept.
    """

    # picture to fill: JPEG, PNG, WebP, TIFF or BMP
    picture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PICTURE")]
    # of the same size; white (over mid-grey) is the hole
    mask: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MASK")]
    # where to write; its suffix is the format
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    weights: Path  # a weights file, or the workdir of a training run
    blend: Blend = "none"  # poisson: adapt the fill's colours to those around the hole
    force: bool = False  # replace the output if it exists

    def run(self) -> None:
        """Checks all it can before the network is loaded, fills, and writes the output."""
        with quiet_decoders():
            original, hole = read_picture(self.picture), read_hole(self.mask)
        check_fillable(original, hole)
        check_writable(self.output, original, self.force)
        filled = Inpainter.load(self.weights)(original, hole, self.blend)
        write_picture(self.output, filled, self.force)
        print(f"{self.output}: filled {hole.sum()} of {hole.size} pixels ({hole.mean():.1%})")
        if not is_lossless(self.output):
            print("JPEG changes every pixel a little; name a .png to keep all outside the hole")


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keeps libtiff's own lines and Pillow's warnings off stderr: what matters is raised."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
