import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from jax_inpaint.config import DataConfig
from jax_inpaint.data.photographs import SPLITS, Photographs, prepared_photographs
from jax_inpaint.data.sources import open_source

PREPARE = """
from jax_inpaint.data.photographs import Photographs, prepared_photographs
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    directory = tmp_path_factory.mktemp("photographs")
    prepared_photographs(str(directory))
    return directory


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script, *arguments):
    process = start(script, *arguments)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def assert_prepares(directory):
    builder = prepared_photographs(str(directory))
    assert list(directory.glob("photographs/*")) == [directory / "photographs" / "1.0.0"]
    for split, names in SPLITS.items():
        assert len(builder.as_data_source(split)) == len(names)


def test_the_split_is_fixed_and_holds_out_coffee_and_rocket(home):
    builder = prepared_photographs(str(home))
    names = {
        split: {record["name"].decode() for record in builder.as_data_source(split)}
        for split in ("train", "validation")
    }
    assert names["validation"] == {"coffee.png", "rocket.jpg"}
    assert names["train"] == {
        "astronaut.png",
        "chelsea.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "retina.jpg",
    }


def test_photographs_are_the_pixels_of_scikit_image(home):
    builder = prepared_photographs(str(home))
    for split in SPLITS:
        for record in builder.as_data_source(split):
            file = Path(skimage.__file__).parent / "data" / record["name"].decode()
            with Image.open(file) as image:
                expected = np.asarray(image)
            assert record["image"].dtype == np.uint8
            assert record["image"].shape == expected.shape
            # OpenCV and Pillow may round JPEG's colours differently.
            tolerance = 0 if file.suffix == ".png" else 3
            difference = np.abs(record["image"].astype(int) - expected)
            assert difference.max() <= tolerance


def test_source_gives_both_sides(home):
    config = DataConfig(directory=str(home))
    train, validation = open_source(config, "train"), open_source(config, "validation")
    assert (len(train), len(validation)) == (7, 2)
    for source in (train, validation):
        for index in range(len(source)):
            image = source[index]
            assert image.dtype == np.uint8
            assert image.ndim == 3
            assert image.shape[-1] == 3
            assert min(image.shape[:2]) >= 256


def test_preparing_happens_once_and_leaves_nothing_beside(tmp_path, monkeypatch):
    directory = tmp_path / "new" / "folder"
    prepared_photographs(str(directory))
    assert [path.name for path in directory.iterdir()] == ["photographs"]
    assert_prepares(directory)

    def fail(self):
        raise AssertionError("prepared again")

    monkeypatch.setattr(Photographs, "download_and_prepare", fail)
    prepared_photographs(str(directory))


def test_without_a_directory_the_users_cache_is_used(tmp_path, monkeypatch, home):
    cache = tmp_path / "cache" / "jax_inpaint"
    cache.parent.mkdir()
    cache.symlink_to(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    assert prepared_photographs().data_dir == str(cache / "photographs" / "1.0.0")


def test_tensorflow_is_never_imported(tmp_path):
    code, output, errors = run(
        """
import sys
from jax_inpaint.config import DataConfig
from jax_inpaint.data.stream import training_batches, validation_images

config = DataConfig(directory=sys.argv[1], size=(32, 32))
batches = training_batches(config, 2, seed=0)
print(next(batches)["image"].shape, validation_images(config, 3).shape)
batches.close()
print("tensorflow" in sys.modules)
""",
        tmp_path,
    )
    assert (code, output) == (0, "(2, 32, 32, 3) (3, 32, 32, 3)\nFalse\n"), errors
    assert errors == ""


def test_a_killed_preparation_doesnt_break_the_next_one(tmp_path):
    code, _, errors = run(
        PREPARE
        + """
import os, signal, sys

def killed(self, names):
    yield from list(generate(self, names))[:1]
    os.kill(os.getpid(), signal.SIGKILL)

generate, Photographs._generate_examples = Photographs._generate_examples, killed
prepared_photographs(sys.argv[1])
""",
        tmp_path,
    )
    assert code == -9, errors
    assert [path.name[:10] for path in tmp_path.iterdir()] == ["preparing-"]
    assert_prepares(tmp_path)


def test_a_failed_preparation_cleans_up_and_can_be_repeated(tmp_path, monkeypatch):
    def interrupt(self, names):
        raise KeyboardInterrupt
        yield

    with monkeypatch.context() as patch:
        patch.setattr(Photographs, "_generate_examples", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepared_photographs(str(tmp_path))
    assert not list(tmp_path.iterdir())
    assert_prepares(tmp_path)


def test_a_preparation_that_another_process_overtakes_succeeds(tmp_path, monkeypatch):
    generate = Photographs._generate_examples

    def overtaken(self, names):
        monkeypatch.setattr(Photographs, "_generate_examples", generate)
        prepared_photographs(str(tmp_path))
        return generate(self, names)

    monkeypatch.setattr(Photographs, "_generate_examples", overtaken)
    prepared_photographs(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]
    assert_prepares(tmp_path)


def test_simultaneous_preparations_both_succeed(tmp_path):
    script = (
        PREPARE
        + """
import sys, time
from pathlib import Path

Path(sys.argv[2]).touch()
while not Path(sys.argv[3]).exists():
    time.sleep(0.001)
print(len(prepared_photographs(sys.argv[1]).as_data_source("train")))
"""
    )
    directory, first, second = tmp_path / "data", tmp_path / "first", tmp_path / "second"
    processes = [start(script, directory, first, second), start(script, directory, second, first)]
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert (process.returncode, output) == (0, "7\n"), errors
    assert [path.name for path in directory.iterdir()] == ["photographs"]
    assert_prepares(directory)
