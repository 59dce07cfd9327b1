"""``jax-inpaint fill`` on folders, and its options."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jax_inpaint import cli
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import save_weights
from tests.inference.fakes import noisy_inpainter
from tests.inference.test_inpainter import make

SIZE = (13, 22)
RANDOM = np.random.default_rng(0)


def pixels(size=SIZE, channels=3):
    return RANDOM.integers(0, 256, (*size, channels), np.uint8)


def hole(size=SIZE):
    mask = np.zeros(size, bool)
    mask[3:9, 5:12] = True
    return mask


def save(path, array):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return array


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(path, *make(DeepFillV2Config(width=4)))
    return path


@pytest.fixture(scope="module")
def inpainter():
    with noisy_inpainter() as inpainter:
        yield inpainter


@pytest.fixture
def fill(tmp_path, weights, inpainter, monkeypatch, capfd):
    """Runs ``jax-inpaint fill`` in an empty folder; gives exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Inpainter, "load", lambda path, **settings: inpainter)

    def run(*arguments):
        words = ["fill", *map(str, arguments), "--weights", str(weights)]
        monkeypatch.setattr(sys, "argv", ["jax-inpaint", *words])
        status = cli.main()
        return status, *capfd.readouterr()

    return run


def opened(path):
    with Image.open(path) as image:
        return np.asarray(image)


def check(before, path, mask=None):
    after = opened(path)
    mask = hole(before.shape[:2]) if mask is None else mask
    np.testing.assert_array_equal(after[~mask], before[~mask])
    assert (after[mask] != before[mask]).any()


def test_a_folder_with_a_folder_of_masks(fill):
    pictures = {
        "in/a.png": save("in/a.png", pixels()),
        "in/deep/b.webp": pixels((20, 25)),
        "in/deep/c.tif": save("in/deep/c.tif", pixels((20, 25), 4)),
    }
    Image.fromarray(pictures["in/deep/b.webp"]).save("in/deep/b.webp", lossless=True)
    save("masks/a.jpg", hole())
    save("masks/deep/b.png", hole((20, 25)))
    save("masks/deep/c.png", hole((20, 25)))
    status, out, err = fill("in", "masks", "-o", "out", "--comparison", "seen")
    assert status == 0
    assert out.startswith("out: 3 filled, 0 failed, ")
    assert "images/s" in out
    assert "3/3" in err
    for name, before in pictures.items():
        check(before, name.replace("in/", "out/"))
        with Image.open(Path(name.replace("in/", "seen/")).with_suffix(".png")) as comparison:
            height, width = before.shape[:2]
            assert comparison.size == (3 * width + 16, height)


def test_one_mask_for_all_and_another_format(fill):
    pictures = [save(f"in/{name}.bmp", pixels()) for name in "abc"]
    save("mask.png", hole())
    assert fill("in", "mask.png", "-o", "out", "--format", "png")[0] == 0
    for name, before in zip("abc", pictures, strict=True):
        check(before, f"out/{name}.png")


def test_what_is_there_is_left_alone_and_filled_anew_with_force(fill):
    for name in "abc":
        save(f"in/{name}.png", pixels())
    save("mask.png", hole())
    Path("out").mkdir()
    Path("out/b.png").write_text("precious")
    status, out, _ = fill("in", "mask.png", "-o", "out")
    assert status == 0
    assert out.startswith("1 of 3 are there already; --force fills them anew\nout: 2 filled")
    assert Path("out/b.png").read_text() == "precious"
    before = Path("out/a.png").stat().st_mtime_ns
    status, out, _ = fill("in", "mask.png", "-o", "out")
    assert (status, out.splitlines()[0]) == (0, "3 of 3 are there already; --force fills them anew")
    assert Path("out/a.png").stat().st_mtime_ns == before
    assert fill("in", "mask.png", "-o", "out", "--force")[0] == 0
    with Image.open("out/b.png") as image:
        assert image.size == SIZE[::-1]


def test_bad_files_are_told_of_and_the_rest_goes_on(fill):
    good = save("in/good.png", pixels())
    save("in/other size.png", pixels((9, 9)))
    Path("in/broken.png").write_bytes(b"no picture")
    Path("in/cut.jpg").write_bytes(b"")
    save("in/no mask.png", pixels())
    save("in/no hole.png", pixels())
    for name in ("good", "other size", "broken", "cut"):
        save(f"masks/{name}.png", hole())
    save("masks/no hole.png", hole() & False)
    status, out, err = fill("in", "masks", "-o", "out")
    assert status == 1
    assert out.startswith("out: 1 filled, 5 failed, ")
    check(good, "out/good.png")
    assert [path.name for path in Path("out").iterdir()] == ["good.png"]
    for message in (
        "in/broken.png: isn't a picture of a known format",
        "in/cut.jpg: isn't a picture of a known format",
        "masks/no mask.png: there is no such file",
        "in/other size.png: the mask is 22x13 but the picture is 9x9",
        "in/no hole.png: the mask has no hole",
    ):
        assert message in err
    assert "Traceback" not in err


def test_what_can_not_be_written_is_told_of(fill):
    save("in/a.png", pixels(channels=4))
    save("in/b.png", pixels())
    save("mask.png", hole())
    status, out, err = fill("in", "mask.png", "-o", "out", "--format", "jpg")
    assert status == 1
    assert out.startswith("out: 1 filled, 1 failed")
    assert "out/a.jpg: transparency needs .png" in err
    Path("file").write_text("")
    status, _, err = fill("in", "mask.png", "-o", "file")
    assert status == 1
    assert "file" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("prepare", "arguments", "message"),
    [
        (lambda: Path("in").mkdir(), "in mask.png -o out", "in: there are no pictures in this"),
        (
            lambda: (save("in/a.png", pixels()), save("in/a.webp", pixels())),
            "in mask.png -o out --format png",
            "out/a.png: in/a.png and in/a.webp would be this",
        ),
        (list, "in mask.png -o out.png --quality 0", "--quality must be from 1 to 100, got 0"),
        (list, "in draw:this -o out.png", "draw:this: known kinds are union, brush, box,"),
        (list, "in mask.png -o out.png --mask-color red", "mask_color must be like #ff0000"),
        (list, "in mask.png -o out.png --working-size 3", "working_size must be 32 or more"),
        (list, "in mask.png -o out.png --band 0", "band must be 1 or more pixels, got 0"),
    ],
)
def test_what_can_not_be_is_one_line(fill, prepare, arguments, message, monkeypatch):
    monkeypatch.delattr(Inpainter, "load")
    prepare()
    status, out, err = fill(*arguments.split())
    assert (status, out) == (1, "")
    assert err.startswith("jax-inpaint: ")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("out").exists()


# Options of one picture


def test_masks_of_other_kinds(fill):
    before = save("in.png", pixels())
    ways = {
        "black on white": (~hole(), ["--invert"]),
        "red": (
            np.where(hole()[..., None], np.uint8([250, 5, 0]), np.uint8([255, 255, 0])),
            ["--mask-color", "#ff0000"],
        ),
        "painted": (
            np.where(hole()[..., None], np.uint8([0, 0, 0, 255]), np.uint8([255, 255, 255, 0])),
            ["--mask-channel", "alpha"],
        ),
        "dim": (hole().astype(np.uint8) * 60, ["--mask-threshold", "0.2"]),
    }
    found = []
    for name, (mask, options) in ways.items():
        save(f"{name}.png", mask)
        assert fill("in.png", f"{name}.png", "-o", f"out {name}.png", *options)[::2] == (0, "")
        check(before, f"out {name}.png")
        found.append(Path(f"out {name}.png").read_bytes())
    box = {"label": "x", "shape_type": "rectangle", "points": [[5, 3], [12, 9]]}
    Path("shapes.json").write_text(json.dumps({"shapes": [box]}))
    assert fill("in.png", "shapes.json", "-o", "out.png")[::2] == (0, "")
    assert {*found, Path("out.png").read_bytes()} == {found[0]}


def test_masks_are_drawn_as_the_seed_says(fill):
    before = save("in.png", pixels((40, 60)))
    for number, seed in enumerate((1, 1, 2)):
        assert fill("in.png", "draw:thick", "-o", f"{number}.png", "--seed", seed)[0] == 0
    results = [opened(f"{number}.png") for number in range(3)]
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()
    assert 0.02 < (results[0] != before).any(axis=-1).mean() < 0.98


def test_the_hole_grows(fill):
    before = save("in.png", pixels())
    save("mask.png", hole())
    assert fill("in.png", "mask.png", "-o", "out.png", "--grow", "2")[0] == 0
    changed = (opened("out.png") != before).any(axis=-1)
    assert changed[1:11, 6:11].mean() > 0.9
    assert not changed[0].any()


def test_both_stages_strategies_and_blending(fill):
    before = save("in.png", pixels((80, 120)))
    save("mask.png", hole((80, 120)))
    options = {
        "final": [],
        "coarse": ["--coarse"],
        "resize": ["--strategy", "resize", "--working-size", "64"],
        "crop": ["--strategy", "crop", "--working-size", "64"],
        "refine": ["--strategy", "refine", "--working-size", "64"],
        "feather": ["--blend", "feather", "--band", "5"],
        "poisson": ["--blend", "poisson"],
    }
    results = set()
    for name, more in options.items():
        assert fill("in.png", "mask.png", "-o", f"{name}.png", *more)[0] == 0
        check(before, f"{name}.png")
        results.add(Path(f"{name}.png").read_bytes())
    assert len(results) == len(options)


def test_a_comparison_of_one_picture(fill):
    before = save("in.png", pixels())
    save("mask.png", hole())
    assert fill("in.png", "mask.png", "-o", "out.png", "--comparison", "seen.png")[0] == 0
    seen, after = (opened(name) for name in ("seen.png", "out.png"))
    width = SIZE[1]
    np.testing.assert_array_equal(seen[:, :width], before)
    np.testing.assert_array_equal(seen[:, -width:], after)
    masked = seen[:, width + 8 : 2 * width + 8]
    np.testing.assert_array_equal(masked, np.where(hole()[..., None], 255, before))
    assert fill("in.png", "mask.png", "-o", "new.png", "--comparison", "seen.png")[0] == 1
    assert not Path("new.png").exists()


def test_the_quality_of_a_jpeg(fill):
    save("in.png", pixels((64, 64)))
    save("mask.png", hole((64, 64)))
    for quality in (20, 95):
        fill("in.png", "mask.png", "-o", f"{quality}.jpg", "--quality", quality)
    assert Path("20.jpg").stat().st_size < Path("95.jpg").stat().st_size / 2


def test_a_mask_the_wrong_way_round_is_warned_of(fill):
    save("in.png", pixels((40, 60)))
    save("mask.png", ~hole((40, 60)))
    status, _, err = fill("in.png", "mask.png", "-o", "out.png")
    assert status == 0
    assert "warning: the hole is 98.2% of the picture; is the mask the wrong way round?" in err


def test_a_sketch_for_a_network_without_is_refused(fill):
    save("in.png", pixels())
    save("mask.png", hole())
    status, _, err = fill("in.png", "mask.png", "-o", "out.png", "--sketch", "mask.png")
    assert status == 1
    assert "this deepfillv2 takes no sketch" in err
    assert not Path("out.png").exists()


def test_sketches_change_the_fill(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    save_weights("w.safetensors", *make(DeepFillV2Config(width=4, sketch=True)))
    save("in/a.png", pixels())
    save("in/b.png", pixels())
    save("mask.png", hole())
    lines = np.zeros(SIZE, bool)
    lines[5, 4:14] = True
    save("lines/a.png", lines)
    save("lines/b.png", np.zeros(SIZE, bool))
    command = "jax-inpaint fill in mask.png --weights w.safetensors -o"
    for more in ("out --sketch lines", "plain"):
        monkeypatch.setattr(sys, "argv", [*command.split(), *more.split()])
        assert cli.main() == 0
    assert Path("out/a.png").read_bytes() != Path("plain/a.png").read_bytes()
    assert Path("out/b.png").read_bytes() == Path("plain/b.png").read_bytes()


@pytest.mark.parametrize(
    "stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_stopped_folder_goes_on(tmp_path, weights, program_environment, stop):
    for number in range(300):
        save(tmp_path / f"in/{number:03}.png", pixels((60, 80)))
    save(tmp_path / "mask.png", hole((60, 80)))
    command = [sys.executable, "-m", "jax_inpaint.cli", "fill", "in", "mask.png", "-o", "out"]
    command += ["--weights", str(weights)]
    settings = {"cwd": tmp_path, "env": program_environment}
    process = subprocess.Popen(command, **settings, text=True, stdout=subprocess.PIPE)
    while not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(stop)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + stop
    assert f"stopped by {stop.name}; the same command goes on from here" in out
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert 0 < len(done) < 300
    assert all(path.suffix == ".png" for path in done)
    again = subprocess.run(command, **settings, text=True, capture_output=True, check=True)
    assert f"{len(done)} of 300 are there already" in again.stdout
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert len(list((tmp_path / "out").iterdir())) == 300


def test_masks_and_results_may_lie_within_the_folder(fill):
    save("a.png", pixels())
    save("deep/b.png", pixels())
    save("masks/a.png", hole())
    save("masks/deep/b.png", hole())
    for expected in ("filled: 2 filled, 0 failed", "2 of 2 are there already"):
        status, out, _ = fill(".", Path("masks").resolve(), "-o", "filled", "--comparison", "seen")
        assert (status, out.startswith(expected)) == (0, True)
    assert {str(path) for path in Path("filled").rglob("*.png")} == {
        "filled/a.png",
        "filled/deep/b.png",
    }


def test_every_hole_the_wrong_way_round_is_warned_of(fill):
    for number in range(6):
        save(f"in/{number}.png", pixels((40, 60)))
    save("mask.png", ~hole((40, 60)))
    status, _, err = fill("in", "mask.png", "-o", "out")
    assert status == 0
    assert err.count("is the mask the wrong way round?") == 6
