"""The command line: ``jax-inpaint fill``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from jax_inpaint.images import ImageFileError, check_writable, is_lossless, read_picture, write_picture
from jax_inpaint.inference.inpainter import FillError, Inpainter, check_hole, read_hole
from jax_inpaint.weights import WeightsError


@dataclass(frozen=True)
class Fill:
    """Fill the hole of a picture.

    Pixels outside the hole come back bit for bit where the output format is lossless (PNG, WebP,
    TIFF); grey, alpha, 16 bits and CMYK are kept.
    """

    picture: tyro.conf.Positional[Path]  # picture to fill: JPEG, PNG, WebP, TIFF or BMP
    mask: tyro.conf.Positional[Path]  # of the same size; white (over mid-grey) is the hole
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]  # where to write; its suffix is the format
    weights: Path  # a weights file, or the workdir of a training run
    force: bool = False  # replace the output if it exists

    def run(self) -> None:
        original, hole = read_picture(self.picture), read_hole(self.mask)
        check_hole(original, hole)
        check_writable(self.output, original, self.force)
        filled = Inpainter.load(self.weights)(original, hole)
        write_picture(self.output, filled, self.force)
        print(f"{self.output}: filled {hole.sum()} of {hole.size} pixels ({hole.mean():.1%})")
        if not is_lossless(self.output):
            print("JPEG changes every pixel a little; name a .png to keep all outside the hole")


def main() -> int:
    """Runs a subcommand; user errors become one line on stderr and exit status 1."""
    command = tyro.extras.subcommand_cli_from_dict(
        {"fill": Fill}, prog="jax-inpaint", description="Free-form image inpainting with GANs in JAX."
    )
    try:
        command.run()
    except (ImageFileError, FillError, WeightsError) as error:
        print(f"jax-inpaint: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
