"""Pictures that can't be read, disks that go away, workers that die: what becomes of the stream."""

import io
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

from jax_inpaint.config import DataConfig
from jax_inpaint.data import read_ahead, workers
from jax_inpaint.data.photographs import prepared_photographs
from jax_inpaint.data.sources import DataError, FolderSource, open_source
from jax_inpaint.data.stream import training_batches, validation_images
from tests.bombs import grey_png

TRUNCATED = 200  # bytes of a PNG that is longer


@pytest.fixture(autouse=True)
def quick_farewell(monkeypatch):
    """Threads that hang are left behind sooner."""
    monkeypatch.setattr(read_ahead, "_FAREWELL", 0.5)


@pytest.fixture
def pictures(tmp_path):
    """Writes so many pictures whose colour is their number."""

    def write(count):
        for i in range(count):
            Image.fromarray(np.full((40, 48, 3), i % 256, np.uint8)).save(tmp_path / f"{i:04}.png")
        return tmp_path

    return write


def spoil(folder, numbers):
    for number in numbers:
        (folder / f"{number:04}.png").write_bytes(b"no picture")


def config_of(folder, **options):
    options = {"size": (16, 16), "threads": 2} | options
    return DataConfig(source=f"folder:{folder}", validation_source="photographs", **options)


def one_epoch(config, count, batch_size=2):
    """How many batches come before an error, and the error, if there is one."""
    batches = training_batches(config, batch_size, seed=0)
    taken = 0
    try:
        for taken in range(count // batch_size):  # noqa: B007
            next(batches)
    except DataError as error:
        return taken, error
    finally:
        batches.close()
    return taken + 1, None


# How many may be unreadable.


def test_so_many_unreadable_pictures_are_skipped(pictures):
    folder = pictures(60)
    spoil(folder, [3, 20, 33])
    assert one_epoch(config_of(folder, bad_percent=5.0), 60) == (30, None)  # 3 of 60


@pytest.mark.parametrize("processes", [0, 2])
def test_one_unreadable_picture_more_ends_the_run(pictures, processes):
    folder = pictures(60)
    spoil(folder, [3, 20, 33, 50])
    # The workers count together: alone, each sees half of the pictures in an epoch.
    taken, error = one_epoch(config_of(folder, bad_percent=5.0, workers=processes), 60)
    assert taken < 30
    message = str(error)
    assert message.startswith(
        f"folder:{folder}: 4 of 60 pictures can't be read, more than data.bad"
    )
    assert "data.bad_percent 5 allows, the last ones: " in message
    assert f"{folder}/00" in message
    assert "isn't a picture of a known format" in message
    assert "look at the disk, remove them, or raise data.bad_percent" in message
    assert "\n" not in message


def test_one_unreadable_picture_is_always_allowed(pictures):
    folder = pictures(6)
    spoil(folder, [2])
    assert one_epoch(config_of(folder, bad_percent=0.0), 6) == (3, None)
    spoil(folder, [4])
    _, error = one_epoch(config_of(folder, bad_percent=0.0), 6)
    assert "2 of 6 pictures can't be read, more than data.bad_percent 0 allows" in str(error)


def test_small_pictures_are_a_choice(pictures):
    folder = pictures(10)
    for i in range(5):
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(folder / f"{i:04}.png")
    assert one_epoch(config_of(folder, bad_percent=0.0), 10) == (5, None)


def test_validation_has_the_same_limit(pictures):
    folder = pictures(20)
    spoil(folder, [1, 2, 3])
    config = DataConfig(source="photographs", validation_source=f"folder:{folder}", size=(16, 16))
    with pytest.raises(DataError, match="of 20 pictures can't be read"):
        validation_images(config, 20)
    assert len(validation_images(replace(config, bad_percent=15.0), 20)) == 20


def test_many_in_a_row_end_the_run_whatever_is_allowed(pictures, monkeypatch):
    folder = pictures(2300)
    source = open_source(config_of(folder, bad_percent=100.0), "train")
    assert source[0].mean() == 0
    mount = folder.with_name("gone")
    folder.rename(mount)
    with pytest.raises(DataError, match=r"100 pictures in a row can't be read.*0101\.png") as error:
        source[2]
    assert "there is no such file" in str(error.value)
    assert "still there?" in str(error.value)
    mount.rename(folder)
    # What was read in between starts the count anew.
    spoil(folder, [*range(100, 199), *range(200, 299)])
    fresh = open_source(config_of(folder, bad_percent=100.0), "train")
    assert [int(fresh[i].mean()) for i in (100, 200)] == [199, 299 % 256]


# What can be wrong with a picture.


def truncated_jpeg(path):
    Image.effect_noise((64, 64), 50).save(path.with_suffix(".full"), "jpeg")
    path.write_bytes(path.with_suffix(".full").read_bytes()[:900])


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:TRUNCATED]), "truncated"),
        (truncated_jpeg, "truncated"),
        (lambda path: path.write_bytes(b""), "isn't a picture of a known format, or is damaged"),
        (lambda path: path.write_text("this is text"), "isn't a picture of a known format"),
        (lambda path: path.write_bytes(grey_png(60000, 60000)), "claims to be"),
        (Path.unlink, "there is no such file"),
        (replace_by_folder, "Is a directory"),
    ],
    ids=["truncated", "truncated-jpeg", "empty", "text", "bomb", "vanished", "folder"],
)
def test_the_next_picture_stands_in_for_one_that(pictures, caplog, spoil, reason):
    folder = pictures(5)
    Image.effect_noise((64, 64), 50).save(folder / "0002.png")
    source = open_source(config_of(folder), "train")
    spoil(folder / "0002.png")
    assert [int(source[i].mean()) for i in (2, 2, 4)] == [3, 3, 4]
    (record,) = caplog.records
    assert record.getMessage().startswith(f"skipping {folder}/0002.png: ")
    assert reason in record.getMessage()
    assert record.getMessage().endswith("(1 skipped)")


@pytest.fixture
def open_folder():
    """A folder that other users may look into; those above pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def somebody():
    """Makes this process nobody in particular, who may not read what is root's."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


def test_pictures_that_may_not_be_read_are_skipped(open_folder, caplog, request):
    for i in range(4):
        Image.fromarray(np.full((40, 40, 3), i, np.uint8)).save(open_folder / f"{i}.png")
    (open_folder / "1.png").chmod(0)
    (open_folder / "lost+found").mkdir(mode=0o700)
    Image.new("RGB", (40, 40)).save(open_folder / "lost+found" / "x.png")
    if os.geteuid():
        (open_folder / "lost+found").chmod(0)
    request.getfixturevalue("somebody")
    source = open_source(config_of(open_folder), "train")
    assert source.source.files == ["0.png", "1.png", "2.png", "3.png"]
    assert int(source[1].mean()) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"leaving out {open_folder}/lost+found: it can't be listed (Permission denied)",
        f"skipping {open_folder}/1.png: can't be read as a picture (Permission denied) (1 skipped)",
    ]


def test_only_files_are_listed(pictures):
    folder = pictures(2)
    os.mkfifo(folder / "pipe.png")
    (folder / "null.png").symlink_to("/dev/null")
    (folder / "linked-pipe.png").symlink_to(folder / "pipe.png")
    (folder / "linked.png").symlink_to(folder / "0001.png")
    (folder / "nowhere.png").symlink_to(folder / "missing.png")
    (folder / "itself.png").symlink_to(folder / "itself.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.png"))
        names = FolderSource(str(folder), None, 0.0).files
    # Links that lead nowhere count as unreadable, so that nobody trains on less unawares.
    assert names == ["0000.png", "0001.png", "itself.png", "linked.png", "nowhere.png"]


# Disks that are slow, and disks that never answer.


def block(folder):
    """Puts pipes in the pictures' places: nobody writes, so opening them never returns."""
    for path in folder.glob("*.png"):
        pipe = path.with_suffix(".pipe")
        os.mkfifo(pipe)
        pipe.replace(path)


def unblock(folder):
    """Lets the readers of the pipes go."""
    for path in folder.glob("*.png"):
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def test_a_slow_disk_only_takes_longer(pictures, monkeypatch, caplog):
    folder = pictures(12)
    expected = list(take(config_of(folder), 2, 6))
    at_once = FolderSource.__getitem__

    def slowly(self, index):
        time.sleep(0.4)
        return at_once(self, index)

    monkeypatch.setattr(FolderSource, "__getitem__", slowly)
    monkeypatch.setattr(read_ahead, "PATIENCE", 1.0)
    # A batch takes 2.4 seconds, but none of its pictures 1.
    for batch, same in zip(take(config_of(folder, timeout=1.0), 2, 6), expected, strict=True):
        np.testing.assert_array_equal(batch, same)
    message = caplog.records[0].getMessage()
    assert message.startswith("no data for 1 seconds; reading 00")
    assert f"of folder:{folder} has taken 0 so far" in message
    assert caplog.records[0].levelno == logging.WARNING


SLEEPER = """
import time
from jax_inpaint.data.read_ahead import read_ahead, reading

def read(number):
    with reading("something"):
        for _ in range(8):
            time.sleep(0.5)
    return number

print("reads", flush=True)
print(list(read_ahead(read, [7], 1, timeout=6.0)))
"""


@pytest.mark.slow
def test_time_in_which_the_program_was_suspended_does_not_count():
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "reads\n"
        time.sleep(1)
        process.send_signal(signal.SIGSTOP)
        time.sleep(8)
        process.send_signal(signal.SIGCONT)
        assert process.communicate()[0] == "[7]\n"


def take(config, count, batch_size):
    batches = training_batches(config, batch_size, seed=0)
    for _ in range(count):
        yield next(batches)["image"]
    batches.close()


@pytest.mark.parametrize("processes", [0, 1])
def test_a_read_that_never_returns_ends_the_run(pictures, monkeypatch, caplog, processes):
    monkeypatch.setattr(read_ahead, "PATIENCE", 1.0)
    folder = pictures(30)
    batches = training_batches(config_of(folder, timeout=2.0, workers=processes), 2, seed=0)
    next(batches)
    block(folder)
    began = time.monotonic()
    with pytest.raises(DataError) as error:
        list(batches)
    assert time.monotonic() - began < 15
    assert f"png of folder:{folder}: reading it takes longer than data.timeout, 2 sec" in str(
        error.value
    )
    assert not multiprocessing.active_children()
    if not processes:
        assert any("no data for 1 seconds" in record.getMessage() for record in caplog.records)
        unblock(folder)


def test_validation_images_that_never_come_are_an_error(pictures, monkeypatch):
    folder = pictures(3)
    config = DataConfig(
        source="photographs", validation_source=f"folder:{folder}", size=(16, 16), timeout=1.0
    )
    listed = FolderSource.__init__

    def list_and_block(self, *arguments):
        listed(self, *arguments)
        block(folder)

    monkeypatch.setattr(FolderSource, "__init__", list_and_block)
    with pytest.raises(DataError, match="reading it takes longer than"):
        validation_images(config, 3)
    unblock(folder)


def test_a_folder_that_never_lists_is_an_error(pictures, monkeypatch):
    folder = pictures(3)
    (folder / "below").mkdir()
    answer, scandir = threading.Event(), os.scandir

    def never(path):
        if Path(path).name == "below":
            answer.wait()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", never)
    with pytest.raises(DataError, match=f"the list of {folder}/below: reading it takes longer"):
        open_source(config_of(folder, timeout=1.0), "train")
    answer.set()


def script(body):
    """A program that reads the folder of its argument, which is blocked after a batch."""
    return (
        textwrap.dedent(
            """
        import os, signal, sys, threading, time
        from pathlib import Path
        from jax_inpaint.config import DataConfig
        from jax_inpaint.data.sources import DataError
        from jax_inpaint.data.stream import training_batches

        def main():
            folder = Path(sys.argv[1])
            config = DataConfig(
                source=f"folder:{folder}", validation_source="photographs", size=(16, 16),
                threads=2, timeout=float(sys.argv[2]), workers=int(sys.argv[3]),
            )
            batches = training_batches(config, 2, seed=0)
            kept = training_batches(config, 2, seed=1)
            for stream in (batches, kept):
                next(stream)
            for path in folder.glob("*.png"):
                os.mkfifo(path.with_suffix(".pipe"))
                path.with_suffix(".pipe").replace(path)
            print("blocked", flush=True)
        """
        )
        + textwrap.indent(textwrap.dedent(body), "    ")
        + "\nif __name__ == '__main__':\n    main()\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 1])
def test_the_program_can_end_while_reads_hang(pictures, tmp_path_factory, processes):
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(
        script(
            """
            try:
                while True:
                    next(batches)
            except DataError as error:
                print(error)
            sys.never_closed = kept
            print("ends", flush=True)
            """
        )
    )
    output = subprocess.run(
        [sys.executable, str(path), str(pictures(30)), "1", str(processes)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert output.returncode == 0, output
    blocked, message, ends = output.stdout.splitlines()
    assert (blocked, ends) == ("blocked", "ends")
    assert "reading it takes longer" in message
    assert output.stderr == ""


@pytest.mark.parametrize("processes", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_ctrl_c_ends_the_wait_for_data(pictures, tmp_path_factory, processes):
    path = tmp_path_factory.mktemp("program") / "program.py"
    path.write_text(
        script(
            """
            import signal

            # Programs that a shell starts in the background ignore it otherwise.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                while True:
                    next(batches)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(path), str(pictures(30)), "1000", str(processes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "blocked\n"
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does, to workers as well
    began = time.monotonic()
    try:
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert output == "interrupted\n"
    assert process.returncode == 0
    assert time.monotonic() - began < 8


def test_closing_ends_the_threads_between_two_pictures(pictures, monkeypatch):
    at_once = FolderSource.__getitem__

    def slowly(self, index):
        time.sleep(0.2)
        return at_once(self, index)

    monkeypatch.setattr(FolderSource, "__getitem__", slowly)
    before = threading.active_count()
    batches = training_batches(config_of(pictures(12), threads=3), 2, seed=0)
    next(batches)
    assert threading.active_count() == before + 3
    batches.close()
    assert threading.active_count() == before


# Workers that die.


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGSEGV, marks=pytest.mark.slow)]
)
def test_a_worker_that_is_killed_is_an_error_within_seconds(pictures, number):
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    batches = training_batches(config_of(pictures(30), workers=2), 2, seed=0)
    next(batches)
    crew = multiprocessing.active_children()
    os.kill(crew[1].pid, number)
    began = time.monotonic()
    with pytest.raises(DataError) as error:
        list(batches)
    assert time.monotonic() - began < 5
    message = str(error.value)
    assert f"(process {crew[1].pid}) was killed by {number.name}" in message
    assert "usual cause is that memory ran out: fewer data.workers (now 2) or data.thr" in message
    assert not multiprocessing.active_children()
    assert not (set(shared.iterdir()) if shared.is_dir() else set()) - before
    with pytest.raises(StopIteration):  # nothing is left out unawares
        next(batches)


@pytest.mark.slow
def test_a_worker_that_stops_for_good_is_an_error(pictures, monkeypatch):
    monkeypatch.setattr(workers, "_STARTING", 2.0)
    batches = training_batches(config_of(pictures(30), workers=1, timeout=10.0), 2, seed=0)
    next(batches)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(DataError, match="has shown no life for"):
        list(batches)
    assert not worker.is_alive()


@pytest.mark.slow
def test_signals_to_the_group_do_not_reach_a_worker_that_is_starting(pictures):
    batches = training_batches(config_of(pictures(30), workers=1), 2, seed=0)
    taken = []
    reader = threading.Thread(target=lambda: taken.append(next(batches)))
    reader.start()
    while not (crew := multiprocessing.active_children()):
        time.sleep(0.01)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(crew[0].pid, number)
    reader.join()
    assert taken[0]["image"].shape == (2, 16, 16, 3)
    batches.close()


def fail(number):
    raise RuntimeError(f"a bug in batch {number}")


def test_a_worker_that_fails_says_why(capfd):
    batches = workers.read_in_workers(fail, {"image": (1, 8, 8, 3)}, 1, 1, 10.0)
    with pytest.raises(DataError, match="ended with status 1; what it said is above"):
        next(batches)
    assert "RuntimeError: a bug in batch 0" in capfd.readouterr().err


@pytest.mark.slow
def test_workers_end_with_a_stream_that_nobody_holds(pictures):
    batches = training_batches(config_of(pictures(30), workers=2), 2, seed=0)
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    del batches
    assert not multiprocessing.active_children()


# TFDS.


class Colours(tfds.core.GeneratorBasedBuilder):
    """Files of encoded images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(None, None, 3))})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for path in self.images:
            yield path.name, {"image": path}


def prepare(folder, images):
    """A data set of encoded images, in their order, and the file that holds them."""
    (folder / "encoded").mkdir()
    paths = []
    for number, data in enumerate(images):
        paths.append(folder / "encoded" / f"{number:04}")
        paths[-1].write_bytes(data)
    Colours.images = paths
    builder = Colours(data_dir=folder, file_format="array_record")
    tfds.disable_progress_bar()
    builder.download_and_prepare()
    (records,) = (folder / "colours").rglob("*.array_record*")
    return records


def encoded(number, kind="png"):
    file = io.BytesIO()
    noise = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def tfds_source(folder, **options):
    return open_source(DataConfig(source="tfds:colours", directory=str(folder), **options), "train")


def record_of(source, data):
    """The number of the record that holds an encoded image; TFDS shuffles them."""
    records = source.source.records
    return next(i for i in range(len(records)) if records[i]["image"] == data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"this is text", "isn't a picture of a known format"),
        (b"", "isn't a picture of a known format"),
        (encoded(99)[:TRUNCATED], "truncated"),
        (encoded(99, "jpeg")[:1000], "truncated"),
        (grey_png(20000, 20000), "it claims to be"),
    ],
    ids=["text", "empty", "png", "jpeg", "bomb"],
)
def test_a_record_whose_image_is_broken_is_skipped(tmp_path, caplog, data, reason):
    prepare(tmp_path, [encoded(0), encoded(1), data, encoded(2)])
    source = tfds_source(tmp_path)
    bad = record_of(source, data)
    np.testing.assert_array_equal(source[bad], source[(bad + 1) % 4])
    (record,) = caplog.records
    assert record.getMessage().startswith(f"skipping tfds:colours record {bad}: ")
    assert reason in record.getMessage()


def test_flipped_bytes_spoil_a_record_and_no_other(tmp_path, caplog):
    images = [encoded(number) for number in range(20)]
    records = prepare(tmp_path, images)
    expected = list(tfds_source(tmp_path))
    bad = record_of(tfds_source(tmp_path), images[7])
    data = bytearray(records.read_bytes())
    position = data.index(images[7][1000:1030])
    data[position] ^= 1
    records.write_bytes(data)
    source = tfds_source(tmp_path)
    for index in range(20):
        stand_in = (index + 1) % 20 if index == bad else index
        np.testing.assert_array_equal(source[index], expected[stand_in])
    (record,) = caplog.records
    assert f"skipping tfds:colours record {bad}: the record can't be read" in record.getMessage()
    assert "Corrupted" in record.getMessage()


def test_flipped_bytes_are_never_more_than_a_data_error(tmp_path):
    records = prepare(tmp_path, [encoded(number) for number in range(20)])
    sound, rng = records.read_bytes(), np.random.default_rng(0)
    outcomes, messages = set(), []
    for _ in range(50):
        data = bytearray(sound)
        # Headers of blocks and the index at the end matter most.
        places = [len(data), 200, 65536 + 200, len(data)][rng.integers(4)]
        for position in places - 1 - rng.integers(0, min(places, 60_000), rng.integers(1, 30)):
            data[position] ^= 1 << rng.integers(8)
        records.write_bytes(data)
        try:
            outcomes.add(len(list(tfds_source(tmp_path, bad_percent=20.0))))
        except DataError as error:
            messages.append(str(error))
    assert outcomes == {20}
    assert messages
    assert all("can't be read" in message for message in messages)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"text" * 50_000),
        Path.unlink,
    ],
    ids=["half", "empty", "text", "missing"],
)
def test_a_file_of_records_that_cant_be_read_is_an_error_that_names_it(tmp_path, spoil):
    records = prepare(tmp_path, [encoded(number) for number in range(20)])
    spoil(records)
    with pytest.raises(DataError, match="tfds:colours: 2 of 20 pictures can't be read") as error:
        tfds_source(tmp_path)[0]
    assert str(error.value).count("the record can't be read") == 2


def test_a_file_of_records_that_never_answers_is_an_error(tmp_path):
    records = prepare(tmp_path, [encoded(number) for number in range(20)])
    config = DataConfig(
        source="tfds:colours", directory=str(tmp_path), size=(16, 16), threads=2, timeout=1.0
    )
    batches = training_batches(config, 2, seed=0)
    records.unlink()
    os.mkfifo(records)
    with pytest.raises(DataError, match=r"record \d+ of tfds:colours: reading it takes longer"):
        next(batches)
    os.close(os.open(records, os.O_RDWR | os.O_NONBLOCK))


def test_records_of_something_else_are_an_error(tmp_path):
    records = prepare(tmp_path, [encoded(number) for number in range(3)])
    writer = ArrayRecordWriter(str(records), "group_size:1")
    for data in (b"", b"\xff" * 99, b"\x0a\x03\x0a\x01x"):
        writer.write(data)
    writer.close()
    with pytest.raises(DataError, match="2 of 3 pictures can't be read"):
        tfds_source(tmp_path)[0]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"name": "colours"}'])
def test_a_damaged_description_is_an_error_in_one_line(tmp_path, content):
    records = prepare(tmp_path, [encoded(0)])
    (records.parent / "dataset_info.json").write_bytes(content)
    with pytest.raises(DataError, match="tfds:colours") as error:
        tfds_source(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["dataset_info.json", "photographs-train.array_record"])
def test_damaged_photographs_are_prepared_anew_once_they_are_removed(tmp_path, name):
    builder = prepared_photographs(str(tmp_path))
    (path,) = Path(builder.data_path).glob(f"{name}*")
    path.write_bytes(path.read_bytes()[:500])
    config = DataConfig(directory=str(tmp_path))
    message = f"photographs are damaged .*; remove {tmp_path}/photographs, and they are prepared"
    with pytest.raises(DataError, match=message):
        open_source(config, "train")
    shutil.rmtree(tmp_path / "photographs")
    assert len(open_source(config, "train")) == 7


# The fields.


@pytest.mark.parametrize(
    ("field", "value"),
    [("bad_percent", -1.0), ("bad_percent", 101.0), ("timeout", 0.0), ("timeout", float("inf"))],
)
def test_fields_have_their_bounds(field, value):
    with pytest.raises(ValueError, match=rf"data\.{field} must be"):
        DataConfig(**{field: value})
