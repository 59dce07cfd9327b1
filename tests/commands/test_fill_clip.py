"""``jax-inpaint fill`` on clips."""

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jax_inpaint import cli
from jax_inpaint.inference.inpainter import Inpainter
from tests.inference.fakes import noisy_inpainter
from tests.inference.test_video import SIZE, TIMES, decoded, hole, planes, write_clip


@pytest.fixture(scope="module")
def inpainter():
    with noisy_inpainter() as inpainter:
        yield inpainter


@pytest.fixture
def fill(tmp_path, inpainter, monkeypatch, capfd):
    """Runs ``jax-inpaint fill`` in a folder with a clip and a mask."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Inpainter, "load", lambda path, **settings: inpainter)
    write_clip("in.mkv", sound="aac")
    Image.fromarray(hole()).save("mask.png")

    def run(*arguments):
        words = ["fill", *map(str, arguments), "--weights", "w"]
        monkeypatch.setattr(sys, "argv", ["jax-inpaint", *words])
        status = cli.main()
        return status, *capfd.readouterr()

    return run


def changed(name):
    pairs = zip(planes("in.mkv"), planes(name), strict=True)
    return [before[0] != after[0] for before, after in pairs]


def test_one_mask_for_all_frames(fill):
    status, out, err = fill("in.mkv", "mask.png", "-o", "out.mkv", "--lossless")
    assert (status, out) == (0, f"out.mkv: {len(TIMES)} frames filled\n")
    assert "frame" in err
    for frame in changed("out.mkv"):
        assert not frame[~hole()].any()
        assert frame[hole()].mean() > 0.5


def test_a_mask_clip_inverted_and_grown(fill):
    frames = [np.where(hole()[..., None], 0, np.full((*SIZE, 3), 255)).astype(np.uint8)] * 8
    write_clip("mask.mkv", frames=frames)
    options = ["--lossless", "--invert", "--grow", "2", "--smoothing", "0.3"]
    assert fill("in.mkv", "mask.mkv", "-o", "out.mkv", *options)[0] == 0
    larger = hole(8, 19, 33, 42)
    for frame in changed("out.mkv"):
        assert not frame[~larger].any()
        assert frame[larger & ~hole()].any()


def test_drawn_masks_and_other_formats(fill):
    assert fill("in.mkv", "draw:box", "-o", "out.mp4", "--crf", "30")[0] == 0
    assert len(decoded("out.mp4")) == len(TIMES)


def test_nothing_is_replaced_without_force(fill):
    Path("out.mkv").write_text("precious")
    status, _, err = fill("in.mkv", "mask.png", "-o", "out.mkv")
    assert (status, err) == (1, "jax-inpaint: out.mkv: exists already; --force replaces it\n")
    assert fill("in.mkv", "mask.png", "-o", "out.mkv", "--force")[0] == 0
    assert len(decoded("out.mkv")) == len(TIMES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("no.mkv mask.png -o out.mkv", "no.mkv: can't be read as a clip (No such file"),
        ("in.mkv no.png -o out.mkv", "no.png: there is no such file"),
        ("in.mkv no.mp4 -o out.mkv", "no.mp4: can't be read as a clip (No such file"),
        ("in.mkv mask.png -o out.avi", "out.avi: the name must end in one of .mp4"),
        ("in.mkv mask.png -o out.mp4 --lossless", "out.mp4: lossless clips are .mkv"),
        ("in.mkv mask.png -o no/out.mkv", "no/out.mkv: the folder no doesn't exist"),
        ("in.mkv mask.png -o out.mkv --smoothing 2", "smoothing must be in [0, 1), got 2.0"),
        ("in.mkv mask.png -o out.mkv --sketch mask.png", "--sketch and --comparison are for"),
    ],
)
def test_what_can_not_be_is_told_and_leaves_nothing(fill, tmp_path, arguments, message):
    before = {path.name for path in tmp_path.iterdir()}
    status, out, err = fill(*arguments.split())
    assert (status, out) == (1, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == before


def test_an_interruption_is_told_of(fill, monkeypatch, inpainter):
    done = []
    plainly = inpainter.fill

    def fill_until_stopped(*arguments):
        done.append(1)
        if len(done) == 3:
            signal.raise_signal(signal.SIGTERM)
        return plainly(*arguments)

    monkeypatch.setattr(inpainter, "fill", fill_until_stopped)
    status, out, _ = fill("in.mkv", "mask.png", "-o", "out.mkv")
    assert (status, out) == (143, "stopped; out.mkv wasn't written\n")
    assert len(done) == 3
    assert not Path("out.mkv").exists()
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]
