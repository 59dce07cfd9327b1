"""Configurations: as JSON, and from command lines."""

import contextlib
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz.damage import HUGE_NUMBERS, NUMBERS, RANDOM, Random, as_json, damaged_value
from benchmarks.fuzz.reader import Input, Reader
from jax_inpaint.config import (
    Config,
    from_dict,
    load_config,
    parse_command_line,
    to_dict,
)
from jax_inpaint.losses.terms import TERMS
from jax_inpaint.models import DISCRIMINATORS, GENERATORS
from jax_inpaint.training.workdir import changes

KINDS = {**GENERATORS, **DISCRIMINATORS, **TERMS}
_FOLDER = Path(__file__).parent.parent.parent / "configs"
_QUICKSTART = _FOLDER / "quickstart.py"
_FILES = ("quickstart.py", "lama_places2.py", "partial_gan.py", "aotgan_places2.py")
_CONFIGS = {name: to_dict(load_config(_FOLDER / name)) for name in _FILES}


def _input(rng: Random) -> Input:
    values = json.loads(json.dumps(_CONFIGS[_FILES[rng.integers(len(_FILES))]]))
    return Input({"config.json": as_json(rng, damaged_value(rng, values))})


def _read_json(folder: Path) -> None:
    """What a weights file's header and a run's ``config.json`` go through."""
    values = json.loads((folder / "config.json").read_bytes())
    if not isinstance(values, dict):
        raise ValueError("it isn't an object")
    config = from_dict(Config, values, KINDS)
    assert from_dict(Config, json.loads(json.dumps(to_dict(config))), KINDS) == config


def _read_workdir(folder: Path) -> None:
    """A run's folder that someone has been at."""
    lines = changes(dataclasses.replace(load_config(_QUICKSTART), workdir=str(folder)))
    assert all(isinstance(line, str) for line in lines)


_WORDS = st.one_of(
    st.sampled_from(
        ["nan", "inf", "-inf", "1e999", "-1", "0", "0.5", "None", "True", "--", "", "é"]
    ),
    st.sampled_from([*NUMBERS, *HUGE_NUMBERS, 10**30]).map(str),
    st.integers(4000, 6000).map(lambda digits: "9" * digits),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8),
    st.sampled_from(["photographs", "tfds:", "folder:", "random", "bfloat16", "mixture", "thick"]),
)


def _flags(values: dict[str, Any], prefix: str = "--") -> list[list[str]]:
    """Of all fields that have one, each with the words of its value."""
    flags = []
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = {str(number): part for number, part in enumerate(value)}
        flag = f"{prefix}{name}".replace("_", "-")
        if isinstance(value, dict):
            flags += _flags(value, f"{flag}.")
        else:
            words = value if isinstance(value, list) else [] if value is True else [value]
            flags.append([flag, *map(str, words)])
    return flags


_KNOWN = st.sampled_from(_flags(_CONFIGS["quickstart.py"]))
_FLAGS = st.one_of(
    _KNOWN.map(lambda words: words[0]),
    st.sampled_from(["--config", "--help", "--no-such-flag", "-h", "--data.no-flip"]),
    st.text(max_size=10).map(lambda text: f"--{text}"),
)
_ARGUMENTS = st.lists(
    _KNOWN | _KNOWN | st.builds(lambda flag, words: [flag, *words], _FLAGS, st.lists(_WORDS)),
    max_size=4,
).map(lambda parts: [word for part in parts for word in part])


def _command_line(arguments: list[str]) -> Input:
    return Input({}, {"arguments": arguments})


def _read_command_line(folder: Path, arguments: list[str]) -> None:
    del folder
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(output):
        config = parse_command_line(arguments, _QUICKSTART, "A test.")
    assert isinstance(config, Config)
    assert from_dict(Config, json.loads(json.dumps(to_dict(config))), KINDS) == config


READERS = [
    Reader("configurations", RANDOM, _input, _read_json, (ValueError, RecursionError), share=0.5),
    Reader("workdirs", RANDOM, _input, _read_workdir, share=0.5),
    Reader(
        "command lines", _ARGUMENTS, _command_line, _read_command_line, (SystemExit,), share=0.01
    ),
]
