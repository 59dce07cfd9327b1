"""Configurations as dictionaries for JSON, and back."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

T = typing.TypeVar("T")

# Class attributes that tell kinds of networks and terms apart in files.
_LABELS = ("architecture", "term")


def to_dict(config: Any) -> Any:
    """A JSON-able dictionary of a configuration; kinds of networks and terms are named in it."""
    if isinstance(config, tuple):
        return [to_dict(value) for value in config]
    if not dataclasses.is_dataclass(config):
        return config
    values = {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
    labels = {name: getattr(config, name) for name in _LABELS if hasattr(config, name)}
    return labels | values


def from_dict(
    cls: type[T], values: Mapping[str, Any], kinds: Mapping[str, type] | None = None
) -> T:
    """The configuration that :func:`to_dict` wrote, JSON's lists turned back into tuples.

    Args:
        cls: its class.
        values: from :func:`to_dict`, perhaps through JSON.
        kinds: classes of named networks and terms that occur in it.

    Raises:
        ValueError: for a field that ``cls`` doesn't have, or a name that isn't in ``kinds``.
    """
    types = typing.get_type_hints(cls)
    fields = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - fields)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")

    def revive(kind: Any, value: Any) -> Any:
        if isinstance(value, list):
            inner = typing.get_args(kind)[:1] or (None,)
            return tuple(revive(inner[0], element) for element in value)
        if not isinstance(value, Mapping):
            return value
        rest = dict(value)
        for label in _LABELS:
            if label in rest:
                name = rest.pop(label)
                if name not in (kinds or {}):
                    raise ValueError(f"there is no {label} {name!r}")
                kind = (kinds or {})[name]
        return from_dict(kind, rest, kinds)

    return cls(**{name: revive(types[name], value) for name, value in values.items()})


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines ``section.field: old -> new`` where two :func:`to_dict` results differ."""
    lines = []
    for name in sorted(set(old) | set(new)):
        before, after = _by_index(old.get(name)), _by_index(new.get(name))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{prefix}{name}.")
        elif before != after:
            lines.append(f"{prefix}{name}: {before} -> {after}")
    return lines


def _by_index(value: Any) -> Any:
    """A list of sections (the terms of an objective, say) as a section with numbered names."""
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        return {str(i): part for i, part in enumerate(value)}
    return value
