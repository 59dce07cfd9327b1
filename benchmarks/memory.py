"""Memory of fills and training steps by size.

python -m benchmarks.memory fill 1024
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks.experiments import Device, deepfillv2, example, picture
from benchmarks.fill import our_fill
from benchmarks.measure import Figure, single, wait
from benchmarks.processes import measured_alone
from benchmarks.step import our_step


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Peaks of fills from 512 to 4096 and of a step at 512, each in a new process."""
    del repeats, compiled
    kind = "device memory" if device == "gpu" else "resident memory"
    for what, size in [*(("fill", size) for size in (512, 1024, 2048, 4096)), ("step", 512)]:
        title = f"{what} {size}x{size}, batch 1: peak {kind}"
        yield single("memory", title, measured_alone("memory", what, str(size)), "GB")


def peak(what: str, size: int) -> float:
    """GB on the device, or of this process where the device is a CPU."""
    if what == "fill":
        fill, params = our_fill("float32")
        image, mask = picture(1, size)
        hole = jnp.zeros_like(mask).at[:, size // 4 : size // 2, size // 4 : size // 2].set(1)
        wait(fill(params, image, hole))
    else:
        wait(our_step(deepfillv2(1), example(1, size))())
    statistics = jax.local_devices()[0].memory_stats()
    if statistics:
        return statistics["peak_bytes_in_use"] / 1e9
    # ru_maxrss would count the process that started this one.
    _, _, most = Path("/proc/self/status").read_text().partition("VmHWM:")
    return int(most.split()[0]) * 1024 / 1e9


if __name__ == "__main__":
    print(peak(sys.argv[1], int(sys.argv[2])))
