"""The training step, compiled for chips that are only described."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jax_inpaint.compilation.memory import required_memory
from jax_inpaint.config import Config
from jax_inpaint.features.files import random_feature_params
from jax_inpaint.losses.terms import feature_layers
from jax_inpaint.ops.sharding import SPATIAL
from jax_inpaint.planning.program import Exchange, estimated_cycles, exchanges
from jax_inpaint.planning.topology import Chip, PlanError
from jax_inpaint.training.parallel import sharded_step
from jax_inpaint.training.state import describe_state

_MULTIPLE = 8  # images fill rows of registers eight at a time


@dataclass(frozen=True)
class Program:
    """A compiled step; everything is per chip, sizes are bytes."""

    batch: int  # images, or rows of them
    arguments: int  # the state and the batch
    working: int  # activations kept for the gradients, and other intermediate results
    code: int
    flops: float  # as XLA counts them in the compiled program
    cycles: int | None  # the compiler's estimate; of loops, one turn
    exchanges: dict[str, Exchange]
    parts: int = 1  # of a batch, in a loop; what a loop does is counted once in all of the above
    sharing: int = 1  # chips that share the rows of the same images

    @property
    def memory(self) -> int:
        """What the step needs at once; the new state takes the old one's place."""
        return self.arguments + self.working + self.code

    @property
    def images(self) -> float:
        """That the chip's work amounts to."""
        return self.batch / self.sharing

    def estimated_utilization(self, chip: Chip) -> float | None:
        """Share of the chip's peak by the compiler's estimate of cycles; None if it made none."""
        if self.cycles is None:
            return None
        return self.flops * chip.clock / (self.cycles * chip.peak)


@dataclass(frozen=True)
class TooLarge:
    """A batch for which the memory doesn't suffice."""

    batch: int  # images of each chip, or rows of them
    memory: int  # bytes that it would need, at least


def compile_step(config: Config, mesh: Mesh, batch_size: int) -> Program | TooLarge:
    """Compiles a step in which all networks learn that do so in the last phase of a run.

    Args:
        config: the experiment; its own batch size plays no part.
        mesh: the chips.
        batch_size: images on all of them.

    Raises:
        PlanError: if the compiler fails for another reason than memory.
    """
    phase = dataclasses.replace(config.objective.phases[-1], until=0)
    step = sharded_step(config, phase, mesh)
    sharing = mesh.shape[SPATIAL]
    batch = batch_size * sharing // mesh.size
    lowered = step.lower(*described_arguments(config, batch_size))
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        needed = required_memory(str(error))
        if needed is None:
            raise PlanError(f"the step can't be compiled: {error}") from error
        return TooLarge(batch, needed)
    sizes = compiled.memory_analysis()
    text = compiled.as_text()
    return Program(
        batch,
        sizes.argument_size_in_bytes,
        sizes.temp_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes,
        sizes.generated_code_size_in_bytes,
        compiled.cost_analysis()["flops"],
        estimated_cycles(text),
        exchanges(text),
        config.train.accumulate,
        sharing,
    )


def described_arguments(config: Config, batch_size: int) -> tuple[Any, Any, Any]:
    """Shapes of a step's arguments: state, batch, and parameters of feature networks."""
    features = {
        network: jax.eval_shape(
            lambda key, network=network: random_feature_params(network, key), jax.random.key(0)
        )
        for network in feature_layers(config.objective.terms)
    }
    return describe_state(config), described_batch(config, batch_size), features


def described_batch(config: Config, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of what a host hands to its chips."""
    names = {"image": 3} | ({"mask": 1} if config.masks.kind == "folder" else {})
    shape = (batch_size, *config.data.size)
    return {name: jax.ShapeDtypeStruct((*shape, c), jnp.uint8) for name, c in names.items()}


def next_batch(tried: Sequence[Program | TooLarge], available: int, parts: int = 1) -> int | None:
    """Images per chip to try next in search of the largest batch that fits; None at its end.

    Memory grows by nearly the same with each image, so that few are needed. Parts of a batch are
    multiples of eight images where eight fit, and far apart where many do.

    Args:
        tried: what has been compiled.
        available: bytes of memory per chip.
        parts: into which a chip's images must be divisible.
    """
    fits = max((p for p in tried if isinstance(p, Program)), key=lambda p: p.batch, default=None)
    fails = min((p for p in tried if isinstance(p, TooLarge)), key=lambda p: p.batch, default=None)
    if fits:
        fixed = fits.arguments + fits.code
        expected = fits.batch * (available - fixed) / (fits.memory - fixed)
        full = _MULTIPLE * parts
        step = max(full, _whole(fits.batch // 8, parts)) if fits.batch >= full else parts
    else:
        assert fails is not None
        expected = fails.batch * available / fails.memory
        step = parts
    least = fits.batch + step if fits else parts
    most = fails.batch - step if fails else math.inf
    batch = _whole(int(min(expected, most)), parts)
    return batch if batch >= least else None


def _whole(images: int, parts: int) -> int:
    full = _MULTIPLE * parts
    return images // full * full or images // parts * parts
