"""What the documentation shows, as it stands."""

import doctest
from pathlib import Path

import numpy as np
from PIL import Image

from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import save_weights
from tests.inference.test_inpainter import make

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_on_filling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs/quickstart").mkdir(parents=True)
    config, variables = make(DeepFillV2Config(width=4))
    save_weights("runs/quickstart/weights.safetensors", config, variables, (64, 64))
    pixels = np.random.default_rng(0).integers(0, 256, (80, 104, 3), np.uint8)
    mask = np.zeros((80, 104), np.uint8)
    mask[30:50, 40:70] = 255
    Image.fromarray(pixels).save("photo.jpg")
    Image.fromarray(mask).save("mask.png")
    failed, tried = doctest.testfile(str(DOCS / "filling.md"), module_relative=False)
    assert (failed, tried > 20) == (0, True)
