"""A generator compiled for pictures of any size, a program for each size and number of them."""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import flax.errors
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Bool, Float32

from jax_inpaint.compilation import compile_for
from jax_inpaint.config import GeneratorConfig
from jax_inpaint.errors import UserError
from jax_inpaint.models import final_output
from jax_inpaint.ops.sharding import SPATIAL
from jax_inpaint.weights import Variables

Image = Float32[np.ndarray, "_ _ 3"]
Hole = Bool[np.ndarray, "_ _"]
Sketch = Bool[np.ndarray, "_ _"]

# Pixels up to which a program that runs once or twice isn't worth what makes it faster.
_QUICK_UP_TO = 768**2

_STEPS = 16  # sizes from one power of two to the next


class FillError(UserError):
    """A picture and mask that can't be filled; the message says why and what to do."""


class Network:
    """A generator with its weights on a device, or on several that share the rows of a picture.

    Sizes are rounded up to a few, by reflection of picture and hole below and to the right, so that
    pictures of nearly the same size share a program. Any thread may call it: whichever comes first
    compiles a program, others that need the same wait.

    Args:
        config: the generator's.
        variables: its weights.
        devices: where it runs, of one platform; each has all weights and as many rows.
        once: whether a program runs once or twice only; it is compiled in less time then.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        variables: Variables,
        devices: Sequence[jax.Device],
        once: bool = False,
    ):
        self.config = config
        self.once = once
        self.devices = list(devices)
        self._mesh = Mesh(np.array(self.devices), (SPATIAL,))
        self._rows = NamedSharding(self._mesh, PartitionSpec(None, SPATIAL))
        self.variables = jax.device_put(variables, NamedSharding(self._mesh, PartitionSpec()))
        self._programs: dict[Any, Any] = {}
        self._locks: dict[Any, threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(
        self,
        images: list[Image],
        holes: list[Hole],
        *,
        sketches: list[Sketch] | None = None,
        guesses: list[Image] | None = None,
        outputs: tuple[str, ...] = ("final",),
    ) -> list[dict[str, np.ndarray]]:
        """What the generator makes of pictures of one size.

        Args:
            images: in [-1, 1]. Pixels in the hole aren't looked at; they may even be NaN.
            holes: True where to fill.
            sketches: True on the lines wanted in the hole, for a generator that takes them; none
                are like empty ones.
            guesses: what a generator of two stages shall refine in place of its first stage's
                picture, in [-1, 1].
            outputs: names of what is wanted: ``final`` is the last whole picture, others are the
                generator's own.

        Returns:
            The outputs of each picture, those of its size without padding.

        Raises:
            FillError: if a device has too little memory.
        """
        size = holes[0].shape
        padded = self.padded(size)

        def batch(arrays: list[np.ndarray]) -> jax.Array:
            padding = [(0, padded[axis] - size[axis]) for axis in (0, 1)]
            stacked = np.stack([np.atleast_3d(array) for array in arrays]).astype(np.float32)
            stacked = np.pad(stacked, ((0, 0), *padding, (0, 0)), mode="reflect")
            return jax.device_put(stacked, self._rows)

        known = [np.where(hole[..., None], 0, x) for x, hole in zip(images, holes, strict=True)]
        arguments = {"image": batch(known), "mask": batch(holes)}
        if self.config.takes_sketch:
            arguments["sketch"] = batch(sketches or [np.zeros_like(hole) for hole in holes])
        if guesses is not None:
            arguments["coarse"] = batch(guesses)
        with saying_where_memory_ends(*size):
            program = self._program(outputs, arguments, size)
            results = jax.device_get(program(self.variables, **arguments))
        return [
            {name: _unpadded(value[number], size, padded) for name, value in results.items()}
            for number in range(len(images))
        ]

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that a picture is padded to, so that devices have as many rows each."""
        return padded_size(size, self.config.multiple, len(self.devices))

    def _program(
        self, outputs: tuple[str, ...], arguments: dict[str, jax.Array], size: tuple[int, ...]
    ) -> Any:
        kind = (outputs, *((name, value.shape) for name, value in arguments.items()))
        with self._lock:
            lock = self._locks.setdefault(kind, threading.Lock())
        with lock:
            if kind not in self._programs:
                self._programs[kind] = self._compile(outputs, arguments, size)
        return self._programs[kind]

    def _compile(
        self, outputs: tuple[str, ...], arguments: dict[str, jax.Array], size: tuple[int, ...]
    ) -> Any:
        config = self.config
        # Other outputs than pictures are whole only from the whole network.
        pictures = {"final", "coarse"}.issuperset(outputs)
        generator = config.build_to_fill() if pictures else config.build()

        def run(variables: Variables, **arguments: jax.Array) -> dict[str, jax.Array]:
            made: Any = generator.apply(variables, **arguments)  # type: ignore[arg-type]
            return {name: final_output(made) if name == "final" else made[name] for name in outputs}

        quick = self.once and arguments["mask"].size <= _QUICK_UP_TO
        jitted: Any = compile_for(self.devices, run, rewritten=not quick and len(self.devices) == 1)
        try:
            with jax.set_mesh(self._mesh):
                lowered = jitted.lower(self.variables, **arguments)
        except flax.errors.FlaxError as error:
            reason = str(error).split(" (https:")[0]
            raise FillError(f"the weights don't fit their own config: {reason}") from error
        program = lowered.compile()
        analysis: Any = program.memory_analysis()
        needed = analysis.temp_size_in_bytes + analysis.output_size_in_bytes if analysis else 0
        available = memory_of(self.devices[0])
        owner, advice = "each device", ", or split it over more devices with spatial"
        if self.devices[0].platform == "cpu":  # whose devices share the memory
            needed *= len(self.devices)
            owner, advice = "this machine", ""
        if needed > available:
            raise FillError(
                f"a picture of {size[1]}x{size[0]} needs {needed / 2**30:.3g} GiB at once, {owner} "
                f"has {available / 2**30:.3g} GiB; fill it with the strategy crop or resize{advice}"
            )
        return program


def padded_size(size: tuple[int, int], multiple: int, parts: int = 1) -> tuple[int, int]:
    """Height and width that a picture is padded to.

    Both are multiples of ``multiple``, and so is each of so many equal parts of the rows, with at
    most 16 of them from one power of two to the next.

    Example:
        >>> padded_size((255, 700), 8)
        (256, 704)
    """

    def rounded(side: int, step: int) -> int:
        while step * 2 * _STEPS <= side:
            step *= 2
        return -(-side // step) * step

    return rounded(size[0], multiple * parts), rounded(size[1], multiple)


def _unpadded(values: np.ndarray, size: tuple[int, int], padded: tuple[int, int]) -> np.ndarray:
    """What belongs to the picture, of a map that may be smaller than it."""
    rate = padded[0] // values.shape[0]
    return values[: -(-size[0] // rate), : -(-size[1] // rate)]


@contextlib.contextmanager
def saying_where_memory_ends(height: int, width: int) -> Iterator[None]:
    """Turns the device's error for a picture that is too large into a FillError."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise FillError(
            f"the device has too little free memory for a picture of {width}x{height}; fill it "
            "with the strategy crop or resize, or split it over more devices with spatial"
        ) from error


def memory_of(device: jax.Device) -> int:
    """Bytes of a device's memory, or of the machine's."""
    statistics = device.memory_stats() or {}
    if "bytes_limit" in statistics:
        return statistics["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def find_devices(name: str | None = None, count: int = 1) -> list[jax.Device]:
    """Devices of this machine, from one on: ``cpu``, ``gpu``, or ``gpu:1`` for the second.

    Without a name they begin with the one that JAX prefers. Raises FillError, with those that there
    are, if there are too few.
    """
    platform, _, number = (name or "").partition(":")
    try:
        first = int(number or 0)
        devices = jax.local_devices(backend=platform or None)
        _ = devices[first]
    except (RuntimeError, ValueError, IndexError) as error:
        known = ", ".join(f"{device.platform}:{device.id}" for device in jax.local_devices())
        raise FillError(f"there is no device {name!r}; there is {known}, and cpu") from error
    chosen = devices[first:][:count]
    if count < 1 or len(chosen) < count:
        known = ", ".join(f"{device.platform}:{device.id}" for device in devices)
        raise FillError(
            f"spatial must be from 1 to {len(devices) - first}, the number of devices from "
            f"{devices[first].platform}:{first} on, got {count}; there is {known}"
        )
    return chosen
