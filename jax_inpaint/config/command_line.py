"""Configurations from files and command lines."""

import argparse
import os
import runpy
import traceback
from collections.abc import Sequence
from pathlib import Path

import tyro

from jax_inpaint.config.experiment import Config
from jax_inpaint.config.values import ConfigError


def load_config(path: str | Path) -> Config:
    """The ``config`` that a Python file such as those in configs/ defines. The file is run.

    Raises:
        ConfigError: if there is no such file, it fails, or it defines no :class:`Config` of that
            name.
    """
    if not os.path.isfile(path):  # noqa: PTH113 (Path.is_file may raise)
        raise ConfigError(f"--config {path}: there is no such file")
    try:
        config = runpy.run_path(str(path)).get("config")
    except Exception as error:  # of any kind, as the file's own code has it
        lines = [
            f", line {frame.lineno}"
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(path)
        ]
        where = lines[-1] if lines else ""
        raise ConfigError(f"--config {path}{where}: {type(error).__name__}: {error}") from error
    if not isinstance(config, Config):
        raise ConfigError(f"--config {path}: the file must define `config = Config(...)`")
    return config


def parse_command_line(arguments: Sequence[str], default: str | Path, description: str) -> Config:
    """A configuration from ``[--config FILE] [--section.field value ...]``.

    Prints help or what is wrong, with a suggestion, and exits where the arguments say so.

    Args:
        arguments: the command line without the program's name.
        default: the file that is used without ``--config``.
        description: opens the help text.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", default=str(default))
    chosen, rest = first.parse_known_args(arguments)
    try:
        base = load_config(chosen.config)
        return tyro.cli(
            Config,
            default=base,
            args=rest,
            # The kinds of networks and terms are those of the file; the command line sets fields.
            config=(tyro.conf.AvoidSubcommands,),
            description=f"{description}\n\n--config FILE sets the defaults below; "
            f"here they are those of {chosen.config}.",
        )
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
