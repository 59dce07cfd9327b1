"""A network that needs no compiler, for tests of all that is around it."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.network import Network
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from tests.inference.test_inpainter import make


def draw_noise(self, images, holes, *, sketches=None, guesses=None, outputs=("final",)):
    """Noise that depends on what is known, what is asked for, the sketch and the guess."""
    results = []
    for number, (image, hole) in enumerate(zip(images, holes, strict=True)):
        known = np.where(hole[..., None], 0, image)
        given = [part[number] for part in (sketches, guesses) if part is not None]
        parts = [known, hole, *(part for part in given if part.any())]
        seed = zlib.crc32(b"".join([part.tobytes() for part in parts] + [outputs[0].encode()]))
        noise = np.random.default_rng(seed).uniform(-1, 1, image.shape).astype(np.float32)
        results.append(dict.fromkeys(outputs, noise))
    return results


@contextmanager
def noisy_inpainter(sketch: bool = False) -> Iterator[Inpainter]:
    """An inpainter that draws it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "__call__", draw_noise)
        yield Inpainter(*make(DeepFillV2Config(width=4, sketch=sketch)))
