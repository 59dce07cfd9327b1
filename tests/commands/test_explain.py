import json
from pathlib import Path

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jax_inpaint.commands.explain import Explain
from jax_inpaint.images import ImageFileError
from jax_inpaint.inference.inpainter import FillError
from jax_inpaint.models.gated_unet import GatedUNetConfig
from jax_inpaint.models.unet_patchgan import AttentionUNetConfig
from jax_inpaint.weights import WeightsError, save_weights


def write_weights(path, config):
    image, mask = jnp.zeros((1, 32, 32, 3)), jnp.zeros((1, 32, 32, 1))
    shapes = jax.eval_shape(config.build().init, jax.random.key(0), image, mask)
    random = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: random.normal(0, 0.4, leaf.shape).astype(np.float32), shapes
    )
    save_weights(path, config, variables)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a grey photograph and a mask."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (21, 30), np.uint8)
    cv2.imwrite("photo.png", pixels)
    hole = np.zeros_like(pixels)
    hole[5:14, 8:19] = 255
    cv2.imwrite("mask.png", hole)
    return tmp_path


def explain(weights="gated.safetensors", output="out", mask="mask.png", force=False):
    Explain(Path("photo.png"), Path(mask), Path(output), Path(weights), force).run()


def files(output="out"):
    return sorted(path.name for path in Path(output).iterdir())


def test_sheets_and_figures_are_written_and_those_of_another_generator_go(folder, capsys):
    write_weights("gated.safetensors", GatedUNetConfig(width=2))
    explain(output="new/out")
    assert files("new/out") == ["gates.png", "stages.png", "summary.json"]
    figures = json.loads(Path("new/out/summary.json").read_text())
    assert figures["picture"]["width"] == 30
    assert len(figures["gates"]) == 11
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "new/out/stages.png: masked, output, composite"
    assert lines[1].startswith("new/out/gates.png: 11 gated layers; ")
    assert lines[2] == "new/out/summary.json: figures of all this"
    assert lines[3].startswith("gated_unet has no contextual attention")
    with Image.open("new/out/gates.png") as sheet:
        assert sheet.mode == "RGB"
        assert sheet.width > 1000

    Path("new/out/notes.txt").write_text("mine")
    write_weights("attention.safetensors", AttentionUNetConfig(width=2))
    with pytest.raises(ImageFileError, match=r"new/out/stages.png: exists already; --force"):
        explain("attention.safetensors", "new/out")
    assert json.loads(Path("new/out/summary.json").read_text()) == figures
    explain("attention.safetensors", "new/out", force=True)
    assert files("new/out") == [
        "notes.txt",
        "offset_flow.png",
        "sources.png",
        "stages.png",
        "summary.json",
    ]
    figures = json.loads(Path("new/out/summary.json").read_text())
    assert figures["attention"]["block"] == 16
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "new/out/offset_flow.png: where attention looks from each block of 16 pixels"
    assert "blocks in the hole" in lines[2]
    assert lines[4].startswith("unet_patchgan has no gated convolutions")


def test_nothing_is_written_where_something_is_wrong(folder):
    with pytest.raises(WeightsError, match=r"gated\.safetensors"):
        explain()
    with pytest.raises(ImageFileError, match=r"none\.png"):
        explain(mask="none.png")
    cv2.imwrite("black.png", np.zeros((21, 30), np.uint8))
    with pytest.raises(FillError, match="no hole"):
        explain(mask="black.png")
    Path("file").write_text("mine")
    with pytest.raises(ImageFileError, match="isn't a folder"):
        explain(output="file")
    assert not Path("out").exists()
    assert Path("file").read_text() == "mine"
