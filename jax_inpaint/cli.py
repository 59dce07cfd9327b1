"""The command line: ``jax-inpaint fill | app | evaluate | explain | masks | convert | plan``."""

import importlib
import sys
from typing import Any

import tyro

from jax_inpaint.compilation.cache import keep_compiled_programs
from jax_inpaint.errors import UserError

# Modules of jax_inpaint.commands by subcommand; each has a class of that name.
COMMANDS = ("fill", "app", "evaluate", "explain", "masks", "convert", "plan")


def main() -> int:
    """Runs a subcommand; user errors become one line on stderr and exit status 1."""
    try:
        command = parse(sys.argv[1:])
        keep_compiled_programs()
        status = command.run()
    except UserError as error:
        print(f"jax-inpaint: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return status or 0


def parse(arguments: list[str]) -> Any:
    """The subcommand that is asked for; the others' modules aren't loaded."""
    if arguments and arguments[0] in COMMANDS:
        name = arguments[0]
        return tyro.cli(_command(name), args=arguments[1:], prog=f"jax-inpaint {name}")
    return tyro.extras.subcommand_cli_from_dict(
        {name: _command(name) for name in COMMANDS},
        args=arguments,
        prog="jax-inpaint",
        description="Free-form image inpainting with GANs in JAX.",
    )


def _command(name: str) -> Any:
    module = importlib.import_module(f"jax_inpaint.commands.{name}")
    return getattr(module, name.capitalize())


if __name__ == "__main__":
    sys.exit(main())
