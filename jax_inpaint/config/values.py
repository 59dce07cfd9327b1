"""What the sections of a configuration are checked with and typed by."""

from typing import Any, Literal

from jax_inpaint.errors import UserError


class ConfigError(UserError):
    """Fields that don't go together, or not with this machine."""


def require(holds: bool, name: str, value: Any, wanted: str) -> None:
    """Raises ValueError, naming a field, its value and what is wanted, unless something holds."""
    if not holds:
        raise ValueError(f"{name} must be {wanted}, got {value}")


Dtype = Literal["float32", "bfloat16"]
SpectralGradient = Literal["official", "sigma"]
Size = tuple[int, int]
