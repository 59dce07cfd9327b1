import io
import json
import logging
import pickle
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.features import image_feature

from jax_inpaint.config import DataConfig
from jax_inpaint.data.photographs import prepared_photographs
from jax_inpaint.data.sources import (
    DataError,
    FolderSource,
    TFDSSource,
    open_source,
)
from jax_inpaint.images import ImageFileError


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


def plain(color, size=(40, 48)):
    return np.full((*size, 3), color, np.uint8)


def noise(size=(40, 48)):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def folder_config(folder, **options):
    return DataConfig(source=f"folder:{folder}", **options)


def everything(folder, **options):
    """All readable pictures of a folder."""
    options = {"validation_source": "photographs"} | options
    return open_source(folder_config(folder, **options), "train")


# Folders.


def test_folder_finds_pictures_of_every_kind_below_it(tmp_path):
    for i, name in enumerate(
        ["b.png", "a/z.JPG", "a/deep/er/x.webp", "c.jpeg", "a/t.tif", "d.bmp"]
    ):
        options = {"lossless": True} if name.endswith("webp") else {}
        save(tmp_path / name, plain(20 * i), **options)
    (tmp_path / "readme.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    save(tmp_path / "folder.png" / "inside.png", plain(120))

    source = everything(tmp_path)
    names = [source.source.name(index) for index in range(len(source))]
    assert names == sorted(names)
    colors = {name: int(source[index].mean().round()) for index, name in enumerate(names)}
    assert colors == {
        "b.png": 0,
        "a/z.JPG": 20,
        "a/deep/er/x.webp": 40,
        "c.jpeg": 60,
        "a/t.tif": 80,
        "d.bmp": 100,
        "folder.png/inside.png": 120,
    }


def test_folder_leaves_hidden_files_and_folders_out(tmp_path):
    # What macOS, thumbnailers, notebooks and version control put beside people's pictures.
    for name in ["._a.jpg", ".cache/b.jpg", "x/.ipynb_checkpoints/c.png", ".git/d/e.png"]:
        save(tmp_path / name, plain(9))
    save(tmp_path / "x" / "shown.png", plain(200))
    assert everything(tmp_path).source.files == ["x/shown.png"]
    # The folder itself may be hidden: its owner named it.
    assert everything(tmp_path / ".cache").source.files == ["b.jpg"]


def test_folder_follows_links(tmp_path):
    save(tmp_path / "elsewhere" / "a.png", plain(9))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "b.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "root").symlink_to(tmp_path / "data")
    assert everything(tmp_path / "root").source.files == ["b.png", "linked/a.png"]


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(noise()).convert("L"),
        Image.fromarray(noise()).convert("LA"),
        Image.fromarray(noise()).convert("RGBA"),
        Image.fromarray(noise()).convert("P"),
        Image.fromarray(noise()).convert("1"),
        Image.fromarray(noise()[..., 0].astype(np.uint16) * 257),
    ],
    ids=["L", "LA", "RGBA", "P", "1", "16-bit"],
)
def test_every_kind_of_png_becomes_8_bit_rgb(tmp_path, image):
    image.save(tmp_path / "image.png")
    pixels = everything(tmp_path)[0]
    assert pixels.dtype == np.uint8
    assert pixels.shape == (40, 48, 3)
    if image.mode != "P":
        grey = noise()[..., 0] if image.mode.startswith("I") else np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(
            pixels, np.broadcast_to(grey.reshape(40, 48, -1), (40, 48, 3))
        )


def test_pictures_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "image.png", noise(), exif=exif)
    np.testing.assert_array_equal(everything(tmp_path)[0], np.rot90(noise(), -1))


def touch(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def sides(folder, percent=10.0):
    config = folder_config(folder, validation_percent=percent)
    return [set(open_source(config, split).source.files) for split in ("train", "validation")]


def test_split_is_disjoint_complete_and_of_the_asked_share(tmp_path):
    names = {f"{i % 7}/{i}.jpg" for i in range(3000)}
    touch(tmp_path, names)
    for percent in (1.0, 10.0, 60.0):
        train, validation = sides(tmp_path, percent)
        assert train | validation == names
        assert not train & validation
        deviation = 100 * (percent / 100 * (1 - percent / 100) / 3000) ** 0.5
        assert abs(100 * len(validation) / 3000 - percent) < 4 * deviation


def test_split_stays_when_files_are_added_or_the_folder_moves(tmp_path):
    touch(tmp_path / "old", [f"{i}.jpg" for i in range(300)])
    train, validation = sides(tmp_path / "old")
    touch(tmp_path / "old", [f"new/{i}.jpg" for i in range(300)])
    shutil.move(tmp_path / "old", tmp_path / "moved")
    more_train, more_validation = sides(tmp_path / "moved")
    assert train < more_train
    assert validation < more_validation
    # A larger share only moves files one way.
    _, larger = sides(tmp_path / "moved", 30.0)
    assert more_validation < larger


def test_names_that_arent_unicode_have_a_side_too(tmp_path):
    touch(tmp_path, [f"{i}.jpg" for i in range(50)])
    (tmp_path / "b\udcff.jpg").touch()  # the byte 0xff
    train, validation = sides(tmp_path, 50.0)
    assert len(train) + len(validation) == 51


def test_two_folders_are_taken_whole(tmp_path):
    touch(tmp_path, [f"{side}/{i}.jpg" for side in "ab" for i in range(40)])
    config = folder_config(tmp_path / "a", validation_source=f"folder:{tmp_path / 'b'}")
    train, validation = open_source(config, "train"), open_source(config, "validation")
    assert len(train) == len(validation) == 40
    assert train.source.root.name == "a"
    assert validation.source.root.name == "b"


@pytest.mark.parametrize("spelling", ["folder:{}", "folder:{}/", "folder:{}/below/.."])
def test_the_same_folder_twice_is_split(tmp_path, spelling):
    touch(tmp_path, [*(f"{i}.jpg" for i in range(299)), "below/0.jpg"])
    config = folder_config(tmp_path, validation_source=spelling.format(tmp_path))
    assert len(open_source(config, "train")) + len(open_source(config, "validation")) == 300


def test_a_validation_folder_inside_the_training_folder_is_refused(tmp_path):
    touch(tmp_path, ["a/1.jpg", "a/val/2.jpg"])
    config = folder_config(tmp_path / "a", validation_source=f"folder:{tmp_path / 'a' / 'val'}")
    for split in ("train", "validation"):
        with pytest.raises(DataError, match="inside the other"):
            open_source(config, split)


def test_folders_that_cant_be_used_say_why(tmp_path):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    touch(tmp_path, ["few/1.png", "hidden/.a.png", "note.txt"])
    for name, message in {
        "missing": "there is no such folder",
        "few/1.png": "there is no such folder",
        "empty": r"no pictures below it \(looked for \.jpg",
        "hidden": "no pictures below it",
    }.items():
        with pytest.raises(DataError, match=f"folder:{tmp_path / name}: {message}"):
            open_source(folder_config(tmp_path / name), "train")
    few = folder_config(tmp_path / "few", validation_percent=0.01)
    with pytest.raises(
        DataError, match=r"validation side at data\.validation_percent 0\.01; change"
    ):
        open_source(few, "validation")


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    touch(tmp_path, ["pictures/a.png"])
    assert everything("~/pictures").source.files == ["a.png"]


# Images that can't be used.


@pytest.fixture
def mixed_folder(tmp_path):
    """Good pictures 0, 3 and 7 among nine; the rest are broken, cut short or too small."""
    for i in (0, 3, 7):
        save(tmp_path / f"{i}.png", plain(20 * i))
    (tmp_path / "1.jpg").write_bytes(b"this is text")
    (tmp_path / "2.jpg").touch()
    for name, suffix in (("4", "png"), ("5", "jpg"), ("6", "webp")):
        data = io.BytesIO()
        Image.fromarray(noise()).save(data, {"jpg": "jpeg"}.get(suffix, suffix))
        (tmp_path / f"{name}.{suffix}").write_bytes(data.getvalue()[: len(data.getvalue()) // 2])
    save(tmp_path / "8.png", plain(9, (31, 400)))
    return tmp_path


EXPECTED = [0, 60, 60, 60, 140, 140, 140, 140, 0]


def whatever_is_bad(folder):
    return everything(folder, bad_percent=100.0)


def test_the_next_good_image_stands_in(mixed_folder, caplog):
    source = whatever_is_bad(mixed_folder)
    assert len(source) == 9
    for _ in range(2):
        assert [int(source[index].mean()) for index in range(9)] == EXPECTED
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(":")[0] for message in messages] == [
        f"skipping {mixed_folder / name}" for name in ("1.jpg", "2.jpg", "4.png", "5.jpg", "6.webp")
    ] + ["skipping 8.png of folder"]
    for count, message in enumerate(messages, start=1):
        assert message.endswith(f"({count} skipped)")
    assert "is 400x31, a side is shorter than data.smallest_side 32" in messages[-1]
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_the_stand_in_doesnt_depend_on_what_was_read_before(mixed_folder):
    for seed in range(5):
        source = whatever_is_bad(mixed_folder)
        for index in np.random.default_rng(seed).integers(0, 9, 30):
            assert int(source[int(index)].mean()) == EXPECTED[index]


def test_threads_name_a_skipped_image_once(mixed_folder, caplog):
    class SlowMarks(bytearray):
        def __getitem__(self, index):
            mark = super().__getitem__(index)
            time.sleep(0.002)
            return mark

    source = whatever_is_bad(mixed_folder)
    source._marks = SlowMarks(source._marks)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(source.__getitem__, list(range(9)) * 4))
    assert [record.getMessage()[-11:] for record in caplog.records] == [
        f"({count} skipped)" for count in range(1, 7)
    ]


def test_passing_trouble_with_a_file_does_not_change_what_is_read_later(tmp_path, monkeypatch):
    for i in range(3):
        save(tmp_path / f"{i}.png", noise())
    source = whatever_is_bad(tmp_path)
    expected = [source[i] for i in range(3)]

    def out_of_reach(self, index):
        raise ImageFileError("the network is away")

    with monkeypatch.context() as away:
        away.setattr(FolderSource, "__getitem__", out_of_reach)
        with pytest.raises(DataError, match="none of the 3"):
            source[1]
    for i in range(3):
        np.testing.assert_array_equal(source[i], expected[i])


def test_a_size_that_suffices_is_taken(tmp_path, caplog):
    save(tmp_path / "a.png", plain(9, (32, 32)))
    assert everything(tmp_path)[0].shape == (32, 32, 3)
    save(tmp_path / "b.png", plain(9, (3, 3)))
    assert everything(tmp_path, smallest_side=3)[1].shape == (3, 3, 3)
    assert not caplog.records


def test_a_source_without_a_good_image_is_an_error(tmp_path):
    touch(tmp_path, ["1.png", "2.png"])
    source = whatever_is_bad(tmp_path)
    for index in (0, 1, 0):
        with pytest.raises(DataError, match="none of the 2 pictures can be used"):
            source[index]


def test_iterating_ends(mixed_folder):
    source = whatever_is_bad(mixed_folder)
    assert [int(image.mean()) for image in source] == EXPECTED
    for index in (9, -1):
        with pytest.raises(IndexError):
            source[index]


# TFDS.


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tfds")
    prepared_photographs(str(directory))
    return directory


@pytest.fixture
def encoded_without_tensorflow(monkeypatch):
    """What TFDS invents in tests it encodes with TensorFlow."""

    def encode(self, image):
        file = io.BytesIO()
        Image.fromarray(image.squeeze()).save(file, "png")
        return file.getvalue()

    monkeypatch.setattr(image_feature._ImageEncoder, "_encode_image", encode)


@pytest.mark.parametrize(
    ("name", "shape"), [("places365_small", (256, 256, 3)), ("celeb_a", (218, 178, 3))]
)
@pytest.mark.usefixtures("encoded_without_tensorflow")
def test_tfds_data_sets_give_rgb(name, shape):
    with tfds.testing.mock_data(num_examples=5):
        source = open_source(DataConfig(source=f"tfds:{name}"), "train")
        assert len(source) == 5
        images = list(source)
    assert {image.shape for image in images} == {shape}
    assert {image.dtype for image in images} == {np.dtype(np.uint8)}
    assert len({image.tobytes() for image in images}) == 5
    assert "tensorflow" not in sys.modules


def decoded(source, index, feature):
    with Image.open(io.BytesIO(source.source.records[index][feature])) as image:
        return np.asarray(image)


@pytest.mark.usefixtures("encoded_without_tensorflow")
def test_grey_tfds_images_become_rgb():
    with tfds.testing.mock_data(num_examples=3):
        source = open_source(DataConfig(source="tfds:mnist", smallest_side=28), "train")
        record, image = decoded(source, 1, "image"), source[1]
    assert image.shape == (28, 28, 3)
    np.testing.assert_array_equal(image, np.broadcast_to(record[..., None], image.shape))


class Scenes(tfds.core.GeneratorBasedBuilder):
    """Several image features, of which one holds the photograph."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=name) for name in ("image", "photo", "depth")
    ]

    def _info(self):
        images = {
            "depth": tfds.features.Image(shape=(40, 48, 1), dtype=np.uint16),
            "edges": tfds.features.Image(shape=(40, 48, 1)),
            "image": tfds.features.Image(shape=(40, 48, 3)),
            "photo": tfds.features.Image(shape=(40, 48, 3)),
        }
        names = {"image": ["depth", "edges", "image"], "photo": ["depth", "photo"]}
        chosen = names.get(self.builder_config.name, ["depth"])
        features = tfds.features.FeaturesDict({name: images[name] for name in chosen})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        raise NotImplementedError

    def _generate_examples(self):
        raise NotImplementedError


@pytest.mark.usefixtures("encoded_without_tensorflow")
def test_the_photograph_is_found_among_several_image_features():
    with tfds.testing.mock_data(num_examples=1):
        for name in ("image", "photo"):
            source = open_source(DataConfig(source=f"tfds:scenes/{name}"), "train")
            np.testing.assert_array_equal(source[0], decoded(source, 0, name))
        with pytest.raises(DataError, match=r"has no 8-bit image feature, only \['depth'\]"):
            open_source(DataConfig(source="tfds:scenes/depth"), "train")


def encoded(image, kind="png"):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def test_tfds_images_lose_their_transparency():
    image = np.dstack([noise(), np.full((40, 48), 9, np.uint8)])
    source = TFDSSource([{"image": encoded(image)}], "image", "a set")
    np.testing.assert_array_equal(source[0], noise())


def test_a_prepared_directory_suffices_without_the_builders_code(home):
    # In another process, where the builder's class was never imported.
    script = """
import sys
import time
from jax_inpaint.config import DataConfig
from jax_inpaint.data.sources import open_source

config = DataConfig(source="tfds:photographs", directory=sys.argv[1])
print(len(open_source(config, "train")), open_source(config, "validation")[0].shape)
print("jax_inpaint.data.photographs" in sys.modules, "tensorflow" in sys.modules)
"""
    output = subprocess.run(
        [sys.executable, "-c", script, str(home)], capture_output=True, text=True, check=True
    ).stdout
    assert output == "7 (427, 640, 3)\nFalse False\n"


def test_tfds_splits_can_be_sliced(home):
    config = DataConfig(
        source="tfds:photographs",
        directory=str(home),
        train_split="train[2:]+validation",
        validation_split="train[:2]",
    )
    assert len(open_source(config, "train")) == 7
    assert len(open_source(config, "validation")) == 2


@pytest.mark.parametrize("split", ["test", "train[zz:]", "train[:0]", "train[:200%]", ""])
def test_an_unknown_split_names_the_known_ones(home, split):
    config = DataConfig(source="tfds:photographs", directory=str(home), train_split=split)
    with pytest.raises(DataError) as error:
        open_source(config, "train")
    for part in (f"split '{split}'", "['train', 'validation']", "data.train_split"):
        assert part in str(error.value)


def test_a_data_set_that_isnt_prepared_says_how_to(tmp_path):
    with pytest.raises(DataError) as error:
        open_source(DataConfig(source="tfds:celeb_a", directory=str(tmp_path)), "train")
    command = f"tfds build celeb_a --file_format=array_record --data_dir={tmp_path}"
    assert f"isn't prepared in {tmp_path}" in str(error.value)
    assert f"`{command}`" in str(error.value)


def test_a_data_set_in_another_format_says_how_to_convert_it(home, tmp_path):
    folder = shutil.copytree(home / "photographs", tmp_path / "photographs") / "1.0.0"
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))
    with pytest.raises(DataError) as error:
        open_source(DataConfig(source="tfds:photographs", directory=str(tmp_path)), "train")
    command = f"tfds convert_format --dataset_version_dir={folder} --out_file_format=array_record"
    assert "is prepared as tfrecord" in str(error.value)
    assert f"`{command}`" in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_set", "TFDS knows no data set of this name, and none is in"),
        ("celeb_a_hq/257", "can't be opened: .*257 not found"),
        ("celeb_a:9.9.9", "can't be opened: .*only: 2"),
        ("celeb a", "can't be opened: Parsing"),
        ("imdb_reviews", r"has no 8-bit image feature, only \['label', 'text'\]"),
    ],
)
def test_data_sets_that_cant_be_used_say_why(tmp_path, name, message):
    with pytest.raises(DataError, match=f"tfds:{name}:? {message}"):
        open_source(DataConfig(source=f"tfds:{name}", directory=str(tmp_path)), "train")


# Others.


@pytest.mark.parametrize("text", ["", "photos", "photographs:x", "tfds", "tfds:", "folder:", "/a"])
def test_an_unknown_source_names_the_known_ones(text):
    with pytest.raises(DataError, match=r"photographs, tfds:NAME .* or folder:PATH"):
        open_source(DataConfig(source=text), "train")


def test_photographs_are_decoded_once(home):
    source = open_source(DataConfig(directory=str(home)), "train")
    assert all(np.shares_memory(first, again) for first, again in zip(source, source, strict=True))


def test_photographs_need_a_folder_to_write_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"set data\.directory to a folder that can be written to"):
        open_source(DataConfig(directory=str(tmp_path / "file" / "below")), "train")


def test_sources_reach_worker_processes(home, mixed_folder):
    for source in (
        whatever_is_bad(mixed_folder),
        open_source(DataConfig(directory=str(home)), "train"),
    ):
        copy = pickle.loads(pickle.dumps(source))
        for index in range(len(source)):
            np.testing.assert_array_equal(copy[index], source[index])


def test_a_folder_is_opened_without_tfds(tmp_path):
    save(tmp_path / "a.png", plain(9))
    script = """
import sys
import time
from jax_inpaint.data.sources import FolderSource

FolderSource(sys.argv[1], None, 2.0)[0]
print("tensorflow_datasets" in sys.modules)
"""
    output = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    assert output == "False\n"
