"""What the sections of a configuration are checked with and typed by."""

from typing import Any, Literal

from jax_inpaint.errors import UserError


class ConfigError(UserError):
    """Fields that don't go together, or not with this machine."""


def require(holds: bool, name: str, value: Any, wanted: str) -> None:
    """Raises ValueError, naming a field, its value and what is wanted, unless something holds."""
    if not holds:
        raise ValueError(f"{name} must be {wanted}, got {value}")


# More channels and layers than any network has: numbers come from files, too, and what they ask for
# is traced before a tensor is looked at.
WIDEST = 4096
DEEPEST = 64
TALLEST = 2**16  # pixels; XLA ends the process where a shape has more numbers than it can count


def require_counts(section: str, config: Any, least: int = 1, **most: int) -> None:
    """Raises ValueError unless fields lie between the least and the most, which is by name."""
    for name, limit in most.items():
        value = getattr(config, name)
        require(least <= value <= limit, f"{section}.{name}", value, f"from {least} to {limit}")


def check_seed(name: str, seed: int) -> None:
    """Raises ConfigError unless random keys of JAX take all of a seed, and NumPy takes it too."""
    if not 0 <= seed < 2**32:
        raise ConfigError(f"{name} must be from 0 to {2**32 - 1}, got {seed}")


Dtype = Literal["float32", "bfloat16"]
SpectralGradient = Literal["official", "sigma"]
Size = tuple[int, int]
