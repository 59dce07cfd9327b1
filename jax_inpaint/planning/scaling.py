"""How a step's time grows with the number of chips: a simulation with a compiled step's numbers."""

from dataclasses import dataclass
from math import prod

import numpy as np

from jax_inpaint.planning.compilation import Program
from jax_inpaint.planning.topology import Chip

SIZES = (8, 64, 256, 1024)  # chips

_HOP = 1e-6  # seconds that a chip takes to pass on a message
_BETWEEN_SLICES = 1e-4  # the same, for hosts of different slices
_STEPS = 2000  # simulated; enough for a share of time to settle to one per cent


@dataclass(frozen=True)
class Assumptions:
    """What a compiled program doesn't tell. None of it is measured on the chips in question."""

    readers: int  # threads that read images on a host; each has at most a virtual CPU
    ahead: int  # batches that they read ahead
    utilization: float  # share of a chip's peak at which it computes
    jitter: float = 0.02  # standard deviation of the time a chip computes, over its mean
    reading: float = 100.0  # photographs that a virtual CPU reads, decodes and crops in a second
    stalls: float = 1e-3  # share of a host's batches whose reading stalls
    stall: float = 1.0  # seconds that a stall lasts


@dataclass(frozen=True)
class Scale:
    """A run on so many chips; times are seconds a step, on average, and add up to ``step``."""

    chips: int
    hosts: int
    images: int  # a step, on all chips
    host_bytes: int  # of images that a host hands to its chips in a step
    compute: float  # of a chip, on average
    slowest: float  # until the slowest chip is done, too
    exchange: float  # of sums of gradients
    input: float  # until the slowest host has its images

    @property
    def step(self) -> float:
        """Seconds that a step takes."""
        return self.compute + self.slowest + self.exchange + self.input

    @property
    def limit(self) -> str:
        """What takes most of the time."""
        parts = {
            "computing": self.compute,
            "the slowest chip": self.slowest,
            "sums of gradients": self.exchange,
            "reading images": self.input,
        }
        return max(parts, key=lambda name: parts[name])


def exchange_time(chip: Chip, chips: int, messages: int, size: int) -> float:
    """Seconds of all-reduces by rings over all links of a chip, nothing of it hidden.

    Chips beyond the largest slice stand in slices of that size, which sum up within, then exchange
    their parts of the sums over the data centre's network, and gather.

    Args:
        chip: the kind.
        chips: that take part.
        messages: one after the other.
        size: bytes of all of them.
    """
    largest = max(chip.shapes, key=_chips)
    within = min(chips, _chips(largest))
    slices = -(-chips // within)
    around = sum(map(int, _shape_of(chip, within).split("x")))  # there and back in each ring
    time = messages * _HOP * around * (within > 1) + 2 * (within - 1) / within * size / chip.links
    if slices > 1:
        part = size / within
        time += messages * _BETWEEN_SLICES * 2 * (slices - 1)
        time += 2 * (slices - 1) / slices * part / chip.network
    return time


def simulate(
    program: Program,
    chip: Chip,
    chips: int,
    image_bytes: int,
    assumed: Assumptions,
    seed: int = 0,
) -> Scale:
    """Many steps of a data-parallel run in which chips wait for one another and for their images.

    Each host reads ahead while chips compute; a step begins once all hosts have their images, and
    ends once the slowest chip is done and gradients are summed.

    Args:
        program: the compiled step.
        chip: the kind.
        chips: that share a batch; each has the program's images.
        image_bytes: of one image as the host hands it over.
        assumed: what the program doesn't tell.
        seed: of the random times.
    """
    rng = np.random.default_rng(seed)
    on_host = min(chip.on_host, chips)
    hosts = -(-chips // on_host)
    images = program.batch * on_host
    compute = program.flops / (chip.peak * assumed.utilization)
    found = program.exchanges.get("all-reduce")
    exchange = exchange_time(chip, chips, found.count, found.bytes) if found and chips > 1 else 0.0
    reading = images / (assumed.reading * min(assumed.readers, chip.cpus * on_host))

    ended = np.zeros(_STEPS + 1)
    read = np.zeros(hosts)  # when each host has read its images of the next step
    slowest = waited = 0.0
    for step in range(_STEPS):
        # A batch is read when there is room for it; one that stalls holds up no others' reading.
        read = np.maximum(read, ended[max(0, step - assumed.ahead)]) + reading
        stalled = rng.random(hosts) < assumed.stalls
        begin = max(ended[step], (read + stalled * assumed.stall).max())
        computing = compute * max(0.0, 1 + assumed.jitter * rng.normal(size=chips).max())
        ended[step + 1] = begin + computing + exchange
        slowest += computing - compute
        waited += begin - ended[step]
    return Scale(
        chips,
        hosts,
        program.batch * chips,
        images * image_bytes,
        compute,
        slowest / _STEPS,
        exchange,
        waited / _STEPS,
    )


def _chips(shape: str) -> int:
    return prod(map(int, shape.split("x")))


def _shape_of(chip: Chip, chips: int) -> str:
    """The smallest slice with so many chips."""
    return min((shape for shape in chip.shapes if _chips(shape) >= chips), key=_chips)
