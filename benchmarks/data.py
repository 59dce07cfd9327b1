"""The data pipeline alone: decode, crop, flip, batch."""

from collections.abc import Iterator
from functools import partial

from benchmarks.experiments import CONFIGS, Device
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.config import DataConfig, load_config
from jax_inpaint.data.stream import training_batches

BATCH, BATCHES = 16, 10


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Images a second."""
    del device, compiled
    for what, config in {
        "photographs to 64x64, as the quickstart": load_config(CONFIGS / "quickstart.py").data,
        "photographs to 256x256": DataConfig(),
        "photographs to 256x256, 2 workers": DataConfig(workers=2),
    }.items():
        batches = training_batches(config, BATCH, seed=0)
        ways = {OURS: partial(_read, batches)}
        yield from compare("data", what, ways, repeats, BATCH * BATCHES, "images/s")
        batches.close()


def _read(batches: Iterator) -> None:
    for _ in range(BATCHES):
        next(batches)
