"""The command line: ``jax-inpaint fill``."""

import sys
from typing import Any

import tyro

from jax_inpaint.commands.fill import Fill
from jax_inpaint.images import ImageFileError
from jax_inpaint.inference.inpainter import FillError
from jax_inpaint.weights import WeightsError

COMMANDS: dict[str, Any] = {"fill": Fill}


def main() -> int:
    """Runs a subcommand; user errors become one line on stderr and exit status 1."""
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="jax-inpaint",
        description="Free-form image inpainting with GANs in JAX.",
    )
    try:
        command.run()
    except (ImageFileError, FillError, WeightsError) as error:
        print(f"jax-inpaint: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
