"""What the documentation shows, as it stands."""

import ast
import doctest
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import save_weights
from tests.inference.test_inpainter import make

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def quickstart(tmp_path, monkeypatch):
    """A folder with a run that has learned nothing."""
    monkeypatch.chdir(tmp_path)
    Path("runs/quickstart").mkdir(parents=True)
    config, variables = make(DeepFillV2Config(width=4))
    save_weights("runs/quickstart/weights.safetensors", config, variables, (64, 64))


@pytest.mark.usefixtures("quickstart")
def test_the_page_on_filling():
    pixels = np.random.default_rng(0).integers(0, 256, (80, 104, 3), np.uint8)
    mask = np.zeros((80, 104), np.uint8)
    mask[30:50, 40:70] = 255
    Image.fromarray(pixels).save("photo.jpg")
    Image.fromarray(mask).save("mask.png")
    failed, tried = doctest.testfile(str(DOCS / "filling.md"), module_relative=False)
    assert (failed, tried > 20) == (0, True)


@pytest.mark.slow
@pytest.mark.usefixtures("quickstart")
def test_the_notebook_on_filling():
    cells = json.loads((DOCS / "filling.ipynb").read_text())["cells"]
    names, shown = {}, []
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body[-1]
        exec(compile(ast.Module(tree.body[:-1], []), "cell", "exec"), names)
        shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    assert True in shown  # known pixels are the same
    pictures = [value for value in shown if isinstance(value, Image.Image)]
    assert len(pictures) >= 7
    assert all(np.asarray(picture).std() > 10 for picture in pictures)
