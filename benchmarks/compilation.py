"""How long the first step of a run waits for the compiler: from nothing, and from the cache.

python -m benchmarks.compilation quickstart [trace]
"""

import sys
import tempfile
import time
from collections.abc import Iterator

import jax
import numpy as np

from benchmarks.experiments import CONFIGS, Device, deepfillv2
from benchmarks.measure import Figure, single
from benchmarks.processes import measured_alone
from jax_inpaint.config import load_config
from jax_inpaint.training.mesh import device_mesh
from jax_inpaint.training.parallel import sharded_step
from jax_inpaint.training.schedule import phase_at
from jax_inpaint.training.state import describe_state

EXPERIMENTS = {
    "quickstart": lambda: load_config(CONFIGS / "quickstart.py"),
    "deepfillv2": lambda: deepfillv2(2),
}


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Seconds until a step is compiled, each in a new process."""
    del device, repeats, compiled
    for name, title in {
        "quickstart": "quickstart, 64x64, batch 4",
        "deepfillv2": "DeepFillv2, 256x256, batch 2",
    }.items():
        with tempfile.TemporaryDirectory() as folder:
            environment = {
                "JAX_COMPILATION_CACHE_DIR": folder,
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            }
            for state in ("from nothing", "from the cache"):
                seconds = measured_alone("compilation", name, environment=environment)
                yield single("compile", f"{title}: compile the step {state}", seconds, "s")
            seconds = measured_alone("compilation", name, "trace")
            yield single("compile", f"{title}: trace and lower the step before", seconds, "s")


def seconds_to_compile(name: str, only_trace: bool = False) -> float:
    """What compiling the step of an experiment takes, or tracing and lowering it before."""
    config = EXPERIMENTS[name]()
    state = describe_state(config)
    shape = (config.train.batch_size, *config.data.size, 3)
    batch = {"image": jax.ShapeDtypeStruct(shape, np.uint8)}
    step = sharded_step(config, phase_at(config.objective, 0), device_mesh())
    started = time.perf_counter()
    lowered = step.lower(state, batch, {})
    if not only_trace:
        started = time.perf_counter()
        lowered.compile()
    return time.perf_counter() - started


if __name__ == "__main__":
    print(seconds_to_compile(sys.argv[1], only_trace="trace" in sys.argv[2:]))
