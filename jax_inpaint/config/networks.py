"""What generators and discriminators have in common; their kinds are in models/."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import flax.linen as nn
from jax.typing import DTypeLike

from jax_inpaint.config.values import Dtype


@dataclass(frozen=True)
class GeneratorConfig(ABC):
    """Settings of a generator; each file in models/ defines its own kind."""

    architecture: ClassVar[str]  # its name in files and messages
    compute_dtype: Dtype = "float32"  # what convolutions compute in; parameters stay float32

    @abstractmethod
    def build(self, axis_name: str | None = None) -> nn.Module:
        """The network. ``axis_name``: the mapped axis over which batch statistics are shared."""

    def build_to_fill(self) -> nn.Module:
        """The network at less cost where it can be had: same composite, no promise for the rest."""
        return self.build()

    @property
    @abstractmethod
    def multiple(self) -> int:
        """Height and width that the network takes are multiples of this."""

    @property
    def takes_sketch(self) -> bool:
        """Whether the network is guided by a sketch channel."""
        return False

    @property
    def refines_guesses(self) -> bool:
        """Whether the network has two stages and takes another's picture for the first one's."""
        return False

    def frozen_parameters(self, path: tuple[str, ...]) -> bool:
        """Whether a parameter never changes with these settings."""
        del path
        return False


@dataclass(frozen=True)
class DiscriminatorConfig(ABC):
    """Settings of a discriminator; each file in models/ defines its own kind."""

    architecture: ClassVar[str]  # its name in files and messages

    def normalizes(self, path: tuple[str, ...]) -> bool:
        """Whether the kernel at a path is divided by its largest singular value beforehand."""
        del path
        return False

    @abstractmethod
    def build(self, dtype: DTypeLike, axis_name: str | None = None) -> nn.Module:
        """The network, computing in ``dtype``. ``axis_name``: as in :class:`GeneratorConfig`."""
