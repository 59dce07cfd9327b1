"""What a reader is, and what it means that it does well."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from hypothesis.strategies import SearchStrategy

from jax_inpaint.errors import UserError

# What these warn of is kept from the terminal by the command line.
_LIBRARIES = ("PIL", "av", "torch")


class Input(NamedTuple):
    """Files by name, and how they are to be read, in values of JSON."""

    files: Mapping[str, bytes]
    options: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Reader:
    """Something that reads a user's files.

    Attributes:
        name: for people.
        drawn: what hypothesis draws.
        make: makes an input of that.
        read: reads the files in a folder, with the options; checks what it made of them, too.
        refusals: errors that say no, besides a UserError.
        share: of the inputs that are asked for; less where each takes long.
    """

    name: str
    drawn: SearchStrategy[Any]
    make: Callable[[Any], Input]
    read: Callable[..., None]
    refusals: tuple[type[BaseException], ...] = ()
    share: float = 1.0


def accepts(reader: Reader, folder: Path, given: Input) -> bool:
    """Whether a reader takes an input, whose files are written to the folder first.

    Raises:
        Exception: anything else that comes out of it.
        AssertionError: for a wrong result, an empty message, or a warning of ours.
    """
    for name, data in given.files.items():
        (folder / name).write_bytes(data)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        reason = _refusal(reader, folder, given)
    ours = [f"{w.filename}: {w.message}" for w in heard if not _of_a_library(w.filename)]
    assert not ours, f"warnings: {ours}"
    assert reason is None or reason.strip(), "an error that says nothing"
    return reason is None


def _refusal(reader: Reader, folder: Path, given: Input) -> str | None:
    try:
        reader.read(folder, **given.options)
    except (UserError, *reader.refusals) as error:
        return str(error)
    return None


def _of_a_library(filename: str) -> bool:
    return any(f"/{name}/" in filename for name in _LIBRARIES)
