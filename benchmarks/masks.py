"""Masks alone, drawn on the device."""

from collections.abc import Iterator
from typing import get_args

import jax

from benchmarks.experiments import Device
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.compilation import compile_for
from jax_inpaint.config import DrawnKind, MaskConfig
from jax_inpaint.masks import sample_masks

BATCH = 16


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Masks a second, in batches."""
    del device, compiled
    for kind in get_args(DrawnKind):
        for size in (64, 256, 512) if kind in ("union", "brush", "box") else (256,):

            def sample(key: jax.Array, kind: DrawnKind = kind, size: int = size) -> jax.Array:
                return sample_masks(key, BATCH, size, size, MaskConfig(kind=kind))

            draw = compile_for(jax.local_devices()[:1], sample)
            keys = iter(jax.random.split(jax.random.key(0), repeats + 1))
            ways = {OURS: lambda draw=draw, keys=keys: draw(next(keys))}
            yield from compare("masks", f"{kind}, {size}x{size}", ways, repeats, BATCH, "masks/s")
