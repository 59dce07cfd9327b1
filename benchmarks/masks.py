"""Masks alone: drawn on the device, and on one core of a CPU beside NumPy and PIL."""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import get_args

import jax
import numpy as np

from benchmarks.experiments import Device
from benchmarks.measure import OURS, Figure, compare
from benchmarks.pil_masks import official_strokes, pil_mask
from jax_inpaint.compilation import compile_for
from jax_inpaint.config import DrawnKind, MaskConfig
from jax_inpaint.masks import sample_masks

PIXELS = 2**22  # of a batch: 16 masks of 512x512, 64 of 256x256


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Masks a second, in batches."""
    del compiled
    for kind in get_args(DrawnKind):
        for size in (64, 256, 512) if kind in ("union", "brush", "box") else (256,):
            ways = {OURS: _sampler(kind, size, repeats)}
            batch = PIXELS // size**2
            yield from compare("masks", f"{kind}, {size}x{size}", ways, repeats, batch, "masks/s")
    if device == "cpu" and hasattr(os, "sched_setaffinity"):
        # JAX counts the cores that it may use when it starts, hence another process.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn, _stay_on_one_core) as process:
            for size in (64, 256, 512):
                yield from process.submit(_beside_pil, size, repeats).result()


def _sampler(kind: DrawnKind, size: int, repeats: int) -> Callable[[], jax.Array]:
    """Draws a batch of new masks whenever it is called, up to ``repeats`` times and once more."""

    def sample(key: jax.Array) -> jax.Array:
        return sample_masks(key, PIXELS // size**2, size, size, MaskConfig(kind=kind))

    draw = compile_for(jax.local_devices()[:1], sample)
    keys = iter(jax.random.split(jax.random.key(0), repeats + 1))
    return lambda: draw(next(keys))


def _stay_on_one_core() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _beside_pil(size: int, repeats: int) -> list[Figure]:
    """PIL uses one core; with a process for each, all scale alike."""
    batch = PIXELS // size**2
    rng = np.random.default_rng(0)
    given = [official_strokes(rng, size, size) for _ in range(batch)]

    def as_published() -> None:
        for _ in range(batch):
            pil_mask(official_strokes(rng, size, size), size, size)

    def draw_only() -> None:
        for strokes in given:
            pil_mask(strokes, size, size)

    ways = {
        OURS: _sampler("brush", size, repeats),
        "NumPy and PIL, as published": as_published,
        "PIL, strokes given": draw_only,
    }
    return compare(
        "masks", f"brush, {size}x{size}, one core", ways, repeats, batch, "masks/s a core"
    )
