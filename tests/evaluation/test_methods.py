from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jax_inpaint.evaluation.baselines import BASELINES, BaselineError, import_patchmatch
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.methods import Baseline, Method, Network, Predictions, name_and_path
from jax_inpaint.images import ImageFileError, Picture
from jax_inpaint.inference import network
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.options import FillOptions
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import WeightsError, save_weights
from tests.evaluation.scenes import box_hole, example, photograph, save
from tests.inference.fakes import draw_noise
from tests.inference.test_inpainter import make

SIZE = (24, 32)


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("runs/quickstart", "quickstart", "runs/quickstart"),
        ("ours=runs/quickstart", "ours", "runs/quickstart"),
        ("a b=x=y/z", "a b", "x=y/z"),
        ("runs/lr=0.1/weights", "weights", "runs/lr=0.1/weights"),
        ("runs/x/", "x", "runs/x"),
        ("~/w", "w", str(Path.home() / "w")),
        ("w=~/v", "w", str(Path.home() / "v")),
    ],
)
def test_names_and_paths(text, name, path):
    found = name_and_path(text)
    assert (found[0], str(found[1])) == (name, path)


def test_a_baseline_fills_as_its_function_does():
    method = Baseline("telea")
    examples = [example(SIZE, number) for number in range(2)]
    assert isinstance(method, Method)
    for one, filled in zip(examples, method.fill(examples), strict=True):
        expected = BASELINES["telea"].fill(one.photograph, one.hole)
        np.testing.assert_array_equal(filled, expected)


def test_a_baseline_without_its_library_is_refused_before_the_work(monkeypatch):
    monkeypatch.setattr(import_patchmatch(), "patchmatch_available", False)
    with pytest.raises(BaselineError, match="without its native library"):
        Baseline("patchmatch")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_weights(folder / "weights.safetensors", *make(DeepFillV2Config(width=4)))
    return folder


def test_a_network_fills_as_its_inpainter_does(weights, monkeypatch):
    monkeypatch.setattr(network.Network, "__call__", draw_noise)
    method = Network("ours", weights, FillOptions(blend="none"), None, None)
    one = example(SIZE, 1)
    (filled,) = method.fill([one])
    assert isinstance(method, Method)
    expected = Inpainter.load(weights)(Picture(one.photograph, "RGB"), one.hole, blend="none")
    np.testing.assert_array_equal(filled, expected.pixels)
    np.testing.assert_array_equal(filled[~one.hole], one.photograph[~one.hole])


def test_what_decides_a_networks_fills_is_told(weights, tmp_path):
    def identity(path=weights, options=FillOptions(), dtype=None):  # noqa: B008
        return Network("n", path, options, dtype, None).identity

    own = identity()
    assert identity(weights / "weights.safetensors") == own
    save_weights(tmp_path / "other.safetensors", *make(DeepFillV2Config(width=4), seed=1))
    others = (
        identity(tmp_path / "other.safetensors"),
        identity(options=FillOptions(grow=1)),
        identity(dtype="bfloat16"),
    )
    assert all(other != own for other in others)
    with pytest.raises(WeightsError, match="no such file"):
        identity(tmp_path / "none")


# Predictions


@pytest.fixture
def folder(tmp_path):
    """Fills of two pictures with two sets of holes."""
    for holes in ("thin", "thick"):
        for number in range(2):
            save(tmp_path / holes / f"p{number}.png", photograph(SIZE, 10 + number))
    return tmp_path


def test_predictions_are_read_by_the_names_of_holes_and_pictures(folder):
    method = Predictions("theirs", folder)
    method.check(["thin", "thick"], ["p0", "p1"])
    assert isinstance(method, Method)
    save(folder / "thin/p1.png", photograph(SIZE, 20))
    filled = method.fill([example(SIZE, 0, "thin"), example(SIZE, 1, "thin")])
    for found, number in zip(filled, (10, 20), strict=True):
        np.testing.assert_array_equal(found, photograph(SIZE, number))


@pytest.mark.parametrize("suffix", ["webp", "tif", "bmp"])
def test_predictions_of_other_suffixes_and_of_one_set_of_holes(folder, suffix):
    with Image.open(folder / "thin/p0.png") as picture:
        picture.save(folder / f"p5.{suffix}", lossless=True)
    method = Predictions("theirs", folder, "thin")
    (filled,) = method.fill([example(SIZE, 5, "thin")])
    np.testing.assert_array_equal(filled, photograph(SIZE, 10))
    with pytest.raises(EvaluationError, match="are missing"):
        Predictions("theirs", folder).check(["thin"], ["p5"])
    with pytest.raises(EvaluationError, match="are missing"):
        Predictions("theirs", folder, "thick").check(["thin"], ["p5"])


def test_predictions_that_changed_are_others(folder):
    def identity(path=folder, holes="thin"):
        method = Predictions("theirs", path)
        method.check([holes], ["p1"])
        return method.identity

    before, others = identity(), identity(holes="thick")
    assert identity(folder / "../" / folder.name) == before
    save(folder / "thin/p1.png", box_hole(SIZE))
    assert identity() != before
    assert identity(holes="thick") == others


def test_predictions_that_are_missing_are_counted_and_one_is_named(folder):
    method = Predictions("theirs", folder)
    (folder / "thick/p1.png").unlink()
    missing = r"theirs: 3 of 6 pictures are missing, such as .*/thin/x/p2\.png"
    with pytest.raises(EvaluationError, match=missing):
        method.check(["thin", "thick"], ["p0", "p1", "x/p2"])
    with pytest.raises(EvaluationError, match=r"/thick/p1\.png is missing"):
        method.fill([example(SIZE, 1, "thick")])
    with pytest.raises(EvaluationError, match=r"a=.*none: there is no such folder"):
        Predictions("a", folder / "none")


def test_predictions_of_another_size_or_that_are_no_pictures_are_named(folder):
    method = Predictions("theirs", folder)
    message = r"thin/p0\.png is 32x24 but the photograph is 30x24 \(width x height\)"
    with pytest.raises(EvaluationError, match=message):
        method.fill([example((24, 30), 0, "thin")])
    (folder / "thin/p0.png").write_bytes(b"nothing")
    with pytest.raises(ImageFileError, match=r"thin/p0\.png"):
        method.fill([example(SIZE, 0, "thin")])
