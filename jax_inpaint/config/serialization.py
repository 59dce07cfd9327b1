"""Configurations as dictionaries for JSON, and back."""

import dataclasses
import inspect
import types
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
        values: from :func:`to_dict`, perhaps through JSON that anybody may have changed.
        kinds: classes of named networks and terms that occur in it.

    Raises:
        ValueError: for a field that ``cls`` doesn't have, that is missing or isn't of its type, for
            a name that isn't in ``kinds``, and for what the classes refuse.
    """
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    unknown = sorted(set(values) - {f.name for f in fields})
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")
    for f in fields:
        if f.default is f.default_factory is dataclasses.MISSING and f.name not in values:
            raise ValueError(f"{cls.__name__} lacks its field {f.name}")
    return cls(
        **{name: _revive(name, hints[name], value, kinds or {}) for name, value in values.items()}
    )


def _revive(name: str, hint: Any, value: Any, kinds: Mapping[str, type]) -> Any:
    """A field's value out of JSON, checked against the field's type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # of one type and None
        return None if value is None else _revive(name, inner[0], value, kinds)
    if origin is tuple and isinstance(value, list):
        each = inner[:1] * len(value) if inner[-1] is ... else inner
        if len(each) == len(value):
            return tuple(_revive(name, *pair, kinds) for pair in zip(each, value, strict=True))
    if origin is typing.Literal and any(value == c and type(value) is type(c) for c in inner):
        return value
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _revive_section(name, hint, dict(value), kinds)
    if hint is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is hint:
        return value
    wanted = f"one of {inner}" if origin is typing.Literal else getattr(hint, "__name__", hint)
    raise ValueError(f"{name} is {value!r}, not {wanted}")


def _revive_section(name: str, cls: Any, values: dict[str, Any], kinds: Mapping[str, type]) -> Any:
    for label in _LABELS:
        if label in values:
            chosen = values.pop(label)
            kind = kinds.get(chosen) if isinstance(chosen, str) else None
            if kind is None or not issubclass(kind, cls):
                raise ValueError(f"there is no {label} {chosen!r}")
            cls = kind
    if inspect.isabstract(cls):
        raise ValueError(f"{name} doesn't say of which kind it is")
    return from_dict(cls, values, kinds)


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
