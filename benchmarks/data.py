"""The data pipeline alone: decode, crop, flip, batch."""

import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.experiments import CONFIGS, Device
from benchmarks.measure import OURS, Figure, compare, single
from jax_inpaint.config import DataConfig, load_config
from jax_inpaint.data.sources import open_source
from jax_inpaint.data.stream import random_crop, training_batches

BATCH, BATCHES = 16, 10
FILES = 1000


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Images a second, and the time that each takes of all cores together."""
    del device, compiled
    with tempfile.TemporaryDirectory() as folder:
        _write_photographs(Path(folder))
        for what, config in {
            f"{FILES} JPEGs of 256x256": DataConfig(
                source=f"folder:{folder}", min_area=1.0, threads=os.cpu_count() or 1
            ),
            "photographs to 64x64, as the quickstart": load_config(CONFIGS / "quickstart.py").data,
            "photographs to 256x256": DataConfig(),
            "photographs to 256x256, 2 workers": DataConfig(workers=2),
        }.items():
            batches = training_batches(config, BATCH, seed=0)
            ways = {OURS: partial(_read, batches)}
            _read(batches)  # what was read ahead while nobody counted
            started = time.process_time()
            yield from compare("data", what, ways, repeats, BATCH * BATCHES, "images/s")
            spent = (time.process_time() - started) / ((repeats + 1) * BATCH * BATCHES)
            if not config.workers:
                yield single("data", f"{what}: time of a core", 1000 * spent, "ms/image")
            batches.close()


def _read(batches: Iterator) -> None:
    for _ in range(BATCHES):
        next(batches)


def _write_photographs(folder: Path) -> None:
    """Crops of the photographs, as a folder prepared for training has them."""
    photographs = open_source(DataConfig(), "train")
    rng = np.random.default_rng(0)
    for i in range(FILES):
        crop = random_crop(photographs[i % len(photographs)], (256, 256), 0.25, rng)
        Image.fromarray(crop).save(folder / f"{i:03}.jpg", quality=90)
