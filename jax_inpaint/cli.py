"""The command line: ``jax-inpaint fill | app | explain | masks | convert | plan``."""

import sys
from typing import Any

import tyro

from jax_inpaint.commands.app import App, AppError
from jax_inpaint.commands.convert import Convert
from jax_inpaint.commands.explain import Explain
from jax_inpaint.commands.fill import Fill
from jax_inpaint.commands.masks import Masks
from jax_inpaint.commands.plan import Plan
from jax_inpaint.compilation.cache import keep_compiled_programs
from jax_inpaint.config import ConfigError
from jax_inpaint.convert import ConvertError
from jax_inpaint.data.sources import DataError
from jax_inpaint.images import ImageFileError
from jax_inpaint.inference.network import FillError
from jax_inpaint.inference.video import VideoError
from jax_inpaint.planning import PlanError
from jax_inpaint.torch_files import TensorFileError
from jax_inpaint.weights import WeightsError

COMMANDS: dict[str, Any] = {
    "fill": Fill,
    "app": App,
    "explain": Explain,
    "masks": Masks,
    "convert": Convert,
    "plan": Plan,
}

USER_ERRORS = (
    AppError,
    ConfigError,
    ConvertError,
    DataError,
    FillError,
    ImageFileError,
    PlanError,
    TensorFileError,
    VideoError,
    WeightsError,
)


def main() -> int:
    """Runs a subcommand; user errors become one line on stderr and exit status 1."""
    try:
        command = tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="jax-inpaint",
            description="Free-form image inpainting with GANs in JAX.",
        )
        keep_compiled_programs()
        status = command.run()
    except USER_ERRORS as error:
        print(f"jax-inpaint: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return status or 0


if __name__ == "__main__":
    sys.exit(main())
