import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jax_inpaint.config import DataConfig, MaskConfig
from jax_inpaint.data.photographs import prepared_photographs
from jax_inpaint.data.sources import DataError
from jax_inpaint.data.stream import (
    random_crop,
    training_batches,
    training_image,
    validation_images,
    validation_masks,
)

COUNT = 11


def ramps(number, height, width):
    """Red tells the photographs apart, green rises with the column, blue with the row."""
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = 20 * number
    image[..., 1] = np.linspace(0, 255, width)
    image[..., 2] = np.linspace(0, 255, height)[:, None]
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eleven photographs of different sizes."""
    folder = tmp_path_factory.mktemp("photographs")
    for i in range(COUNT):
        Image.fromarray(ramps(i, 60 + 5 * i, 110 - 5 * i)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def config(folder):
    return DataConfig(
        source=f"folder:{folder}", validation_source="photographs", size=(16, 24), threads=2
    )


@pytest.fixture(scope="module")
def broken_config(folder, tmp_path_factory):
    """The same photographs, some of them spoilt."""
    spoilt = tmp_path_factory.mktemp("spoilt")
    for path in folder.iterdir():
        data = path.read_bytes()
        broken = path.name in ("02.png", "05.png", "06.png")
        (spoilt / path.name).write_bytes(data[:200] if broken else data)
    return DataConfig(
        source=f"folder:{spoilt}",
        validation_source="photographs",
        size=(16, 24),
        bad_percent=100.0,
    )


MASKS = 7


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    """Seven masks from a folder: rectangles of different sizes and places."""
    folder = tmp_path_factory.mktemp("masks")
    for i in range(MASKS):
        mask = np.zeros((40, 60), np.uint8)
        mask[3 + i : 12 + 3 * i, 20 - 2 * i : 40 + 2 * i] = 255
        Image.fromarray(mask).save(folder / f"{i}.png")
    return MaskConfig(kind="folder", folder=str(folder))


def take_all(count, *arguments, **options):
    """The first batches, stacked, by name."""
    batches = training_batches(*arguments, **options)
    taken = [next(batches) for _ in range(count)]
    batches.close()
    return {name: np.stack([batch[name] for batch in taken]) for name in taken[0]}


def take(count, *arguments, **options):
    """The images alone."""
    return take_all(count, *arguments, **options)["image"]


def assert_same(batches, others):
    assert batches.keys() == others.keys()
    for name, values in batches.items():
        np.testing.assert_array_equal(values, others[name])


def numbers(batches):
    """Which photographs are in the batches, in order."""
    return np.rint(batches[..., 0].mean(axis=(-2, -1)) / 20).astype(int).ravel()


# The stream is a function of (seed, step).


def test_batches_have_the_asked_shape(config):
    batches = training_batches(config, 6, seed=0)
    for _ in range(3):
        batch = next(batches)
        assert batch.keys() == {"image"}
        assert batch["image"].shape == (6, 16, 24, 3)
        assert batch["image"].dtype == np.uint8
    batches.close()


def test_a_resumed_stream_goes_on_where_it_stood(config):
    whole = take(9, config, 4, seed=0)
    for first in (1, 5):
        np.testing.assert_array_equal(
            take(9 - first, config, 4, seed=0, first_step=first), whole[first:]
        )


def test_a_late_step_costs_no_more_than_an_early_one(config):
    # A million batches would take minutes to read.
    late = take(2, config, 4, seed=0, first_step=1_000_000)
    np.testing.assert_array_equal(late[1:], take(1, config, 4, seed=0, first_step=1_000_001))


@pytest.mark.parametrize("threads", [1, 8])
def test_threads_dont_change_the_stream(config, threads):
    np.testing.assert_array_equal(
        take(8, replace(config, threads=threads), 4, seed=0), take(8, config, 4, seed=0)
    )


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_side_by_side_make_the_single_process_batch(config, processes):
    whole = take(5, config, 8, seed=0, first_step=2)
    parts = [
        take(5, config, 8, 0, first_step=2, process_index=index, process_count=processes)
        for index in range(processes)
    ]
    assert parts[0].shape == (5, 8 // processes, 16, 24, 3)
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_batches_that_processes_cant_share_are_an_error(config):
    with pytest.raises(ValueError, match="batch_size 6 must be a multiple of the 4 processes"):
        training_batches(config, 6, seed=0, process_count=4)


def test_seeds_differ_in_order_and_crops(config):
    streams = [take(3 * COUNT, config, 1, seed=seed) for seed in range(6)]
    orders = [tuple(numbers(stream)) for stream in streams]
    # Neighbouring seeds don't share an epoch at another time either.
    epochs = {order[i : i + COUNT] for order in orders for i in range(0, 3 * COUNT, COUNT)}
    assert len(epochs) == 18
    first = [stream[numbers(stream) == 3][0] for stream in streams]
    assert len({image.tobytes() for image in first}) == 6


@pytest.mark.parametrize("batch_size", [1, 4])
def test_every_epoch_covers_every_photograph_once(config, batch_size):
    order = numbers(take(4 * COUNT // batch_size, config, batch_size, seed=0))
    epochs = order.reshape(4, COUNT)
    for epoch in epochs:
        assert sorted(epoch) == list(range(COUNT))
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_photograph_is_cropped_anew_each_time(config):
    images = take(6 * COUNT, config, 1, seed=0)[:, 0]
    for number in range(COUNT):
        mine = images[numbers(images) == number]
        assert len({image.tobytes() for image in mine}) == 6


def test_skipped_images_dont_disturb_the_stream(config, broken_config):
    sound, spoilt = take(22, config, 2, seed=0), take(22, broken_config, 2, seed=0)
    for first in (3, 11, 20):
        np.testing.assert_array_equal(
            take(22 - first, broken_config, 2, seed=0, first_step=first), spoilt[first:]
        )
    expected = [{2: 3, 5: 7, 6: 7}.get(number, number) for number in numbers(sound)]
    np.testing.assert_array_equal(numbers(spoilt), expected)


def test_a_folder_of_broken_images_ends_the_stream(tmp_path):
    (tmp_path / "a.png").touch()
    config = DataConfig(source=f"folder:{tmp_path}", validation_source="photographs")
    batches = training_batches(config, 2, seed=0)
    with pytest.raises(DataError, match="none of the 1 pictures can be used"):
        next(batches)
    batches.close()


def test_a_missing_folder_is_found_at_once(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        training_batches(DataConfig(source=f"folder:{tmp_path / 'no'}"), 2, seed=0)


# Masks from a folder.


def test_masks_come_along_and_leave_the_images_as_they_are(config, masks):
    batches = take_all(10, config, 4, seed=0, masks=masks)
    assert batches["mask"].shape == (10, 4, 16, 24, 1)
    assert batches["mask"].dtype == np.uint8
    assert set(np.unique(batches["mask"])) == {0, 1}
    np.testing.assert_array_equal(batches["image"], take(10, config, 4, seed=0))
    assert len({mask.tobytes() for mask in batches["mask"].reshape(40, 16, 24)}) >= MASKS
    assert all(len({mask.tobytes() for mask in batch}) > 1 for batch in batches["mask"])
    assert not np.array_equal(take_all(10, config, 4, seed=1, masks=masks)["mask"], batches["mask"])


def test_masks_that_are_drawn_in_the_step_dont_come_along(config):
    assert take_all(1, config, 2, seed=0, masks=MaskConfig(kind="box")).keys() == {"image"}


@pytest.mark.parametrize("per_image", [True, False])
def test_masks_follow_the_stream(config, masks, per_image):
    masks = replace(masks, per_image=per_image)
    whole = take_all(9, config, 4, seed=0, masks=masks)
    resumed = take_all(4, config, 4, seed=0, first_step=5, masks=masks)
    assert_same(resumed, {name: values[5:] for name, values in whole.items()})
    parts = [
        take_all(9, config, 4, 0, process_index=index, process_count=2, masks=masks)
        for index in range(2)
    ]
    joined = {name: np.concatenate([part[name] for part in parts], axis=1) for name in whole}
    assert_same(joined, whole)


def test_masks_that_cant_be_used_are_an_error(config, tmp_path):
    missing = MaskConfig(kind="folder", folder=str(tmp_path / "no"))
    with pytest.raises(DataError, match="there is no such folder"):
        training_batches(config, 2, seed=0, masks=missing)
    (tmp_path / "broken.png").touch()
    batches = training_batches(config, 2, 0, masks=replace(missing, folder=str(tmp_path)))
    with pytest.raises(DataError, match="none of the 1 pictures can be used"):
        next(batches)
    batches.close()


def test_another_mask_stands_in_for_a_broken_one(config, masks, tmp_path, caplog):
    shutil.copytree(masks.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "3.png").write_bytes(b"no picture")
    (tmp_path / "4.png").write_bytes((tmp_path / "4.png").read_bytes()[:60])
    spoilt = replace(masks, folder=str(tmp_path))
    patient = replace(config, bad_percent=30.0)
    batches = take_all(12, patient, 4, seed=0, masks=spoilt)
    sound = take_all(12, config, 4, seed=0, masks=masks)
    np.testing.assert_array_equal(batches["image"], sound["image"])
    same = (batches["mask"] == sound["mask"]).all(axis=(2, 3, 4))
    assert 0.4 < same.mean() < 0.95
    skipped = sorted(record.getMessage() for record in caplog.records)
    assert [message.split(":")[0] for message in skipped] == [
        f"skipping {tmp_path / name}" for name in ("3.png", "4.png")
    ]
    assert_same(
        take_all(5, patient, 4, seed=0, first_step=7, masks=spoilt),
        {name: values[7:] for name, values in batches.items()},
    )
    assert len(validation_masks(str(tmp_path), (16, 24), MASKS, patient)) == MASKS
    stream = training_batches(config, 4, seed=0, masks=spoilt)
    with pytest.raises(DataError, match=f"folder:{tmp_path}: 2 of 7 pictures can't be read"):
        list(stream)
    with pytest.raises(DataError, match="2 of 7 pictures can't be read"):
        validation_masks(str(tmp_path), (16, 24), MASKS)


def test_a_batch_may_share_one_mask(config, masks):
    batches = take_all(9, config, 4, seed=0, masks=replace(masks, per_image=False))["mask"]
    np.testing.assert_array_equal(batches, batches[:, :1].repeat(4, axis=1))
    assert len({batch.tobytes() for batch in batches}) > 3


# Worker processes.


def test_workers_give_the_same_stream_and_outlive_signals(broken_config, masks):
    expected = take_all(12, broken_config, 4, seed=0, first_step=3, masks=masks)
    config = replace(broken_config, workers=2, threads=1)
    batches = training_batches(config, 4, seed=0, first_step=3, masks=masks)
    taken = [next(batches) for _ in range(2)]
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    # Ctrl-C and preemption reach the whole process group; the run still finishes its step.
    for number in (signal.SIGINT, signal.SIGTERM):
        for worker in workers:
            os.kill(worker.pid, number)
    taken += [next(batches) for _ in range(10)]
    assert_same({name: np.stack([batch[name] for batch in taken]) for name in expected}, expected)
    batches.close()
    assert not any(worker.is_alive() for worker in workers)


def test_workers_end_with_a_main_process_that_was_killed(folder):
    script = f"""
import multiprocessing, os, signal
from jax_inpaint.config import DataConfig
from jax_inpaint.data.stream import training_batches

if __name__ == "__main__":
    config = DataConfig(
        source="folder:{folder}", validation_source="photographs", size=(16, 24), workers=1
    )
    batches = training_batches(config, 4, seed=0)
    next(batches)
    print(multiprocessing.active_children()[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    path = folder.parent / "killed.py"
    path.write_text(script)
    # Whoever inherits a killed process's children may not collect them, hence the state's Z.
    process = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while (state := process_state(worker)) not in (None, "Z"):
        assert time.monotonic() < deadline, f"worker {worker} lives on in state {state}"
        time.sleep(0.05)


def process_state(pid):
    """The letter that Linux gives, or None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None


# Crops.


def extent(crop, photograph):
    """Left, top, width and height of a crop of ``ramps``, in pixels of the photograph."""

    def along(values, side, full):
        centres = np.arange(side) + 0.5
        slope, start = np.polyfit(centres, values, 1)
        scale = (full - 1) / 255
        return start * scale + 0.5, slope * scale * side

    left, width = along(crop[..., 1].mean(axis=0), crop.shape[1], photograph.shape[1])
    top, height = along(crop[..., 2].mean(axis=1), crop.shape[0], photograph.shape[0])
    return left, top, width, height


@pytest.mark.parametrize(
    ("photograph_size", "size"),
    [((240, 320), (64, 64)), ((240, 320), (48, 96)), ((320, 200), (96, 48)), ((90, 120), (64, 64))],
)
def test_random_crops_arent_distorted_and_keep_their_bounds(photograph_size, size):
    photograph = ramps(1, *photograph_size)
    rng = np.random.default_rng(0)
    largest = min(photograph_size[0] / size[0], photograph_size[1] / size[1])
    shares, places = [], []
    for _ in range(300):
        crop = random_crop(photograph, size, 0.25, rng)
        assert crop.shape == (*size, 3)
        assert crop.dtype == np.uint8
        left, top, width, height = extent(crop, photograph)
        # Blurring at the photograph's edge and 8-bit steps bend the ramps by a percent or two.
        assert abs((width / size[1]) / (height / size[0]) - 1) < 0.04
        assert left > -2
        assert top > -2
        assert left + width < photograph_size[1] + 2
        assert top + height < photograph_size[0] + 2
        shares.append(width * height / (largest**2 * size[0] * size[1]))
        places.append(
            ((left + width / 2) / photograph_size[1], (top + height / 2) / photograph_size[0])
        )
    assert 0.24 < min(shares) < 0.27
    assert 0.97 < max(shares) < 1.03
    # Sides are uniform, and the crops lie about the middle.
    assert abs(np.mean(np.sqrt(shares)) - 0.75) < 3 * 0.5 / np.sqrt(12 * 300)
    np.testing.assert_allclose(np.mean(places, axis=0), 0.5, atol=0.03)
    assert np.max(places) > 0.6
    assert np.min(places) < 0.4


@pytest.mark.parametrize("photograph_size", [(32, 40), (33, 32)])
def test_small_photographs_are_enlarged(photograph_size):
    photograph = ramps(1, *photograph_size)
    crop = random_crop(photograph, (128, 128), 1.0, np.random.default_rng(0))
    assert crop.shape == (128, 128, 3)
    left, top, width, height = extent(crop[8:-8, 8:-8], photograph)
    side = min(photograph_size) * 112 / 128
    np.testing.assert_allclose([width, height], side, rtol=0.03)
    assert -1 < left < photograph_size[1] - side + 1
    assert -1 < top < photograph_size[0] - side + 1


def test_the_largest_crop_fits_photographs_of_every_size():
    # Rounding makes about one of a hundred a hair too large.
    rng = np.random.default_rng(0)
    for _ in range(2000):
        height, width = (int(side) for side in rng.integers(1, 100, 2))
        size = tuple(int(side) for side in 8 * rng.integers(1, 10, 2))
        photograph = np.full((height, width, 3), 77, np.uint8)
        crop = random_crop(photograph, size, 1.0, rng)
        assert crop.shape == (*size, 3)
        assert np.all(crop == 77)


def test_a_crop_of_a_photograph_of_the_asked_size_is_the_photograph():
    photograph = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    for min_area in (1.0, None):
        crop = random_crop(photograph, (64, 96), min_area, np.random.default_rng(0))
        np.testing.assert_array_equal(crop, photograph)


def test_shrinking_averages_instead_of_picking():
    checkers = 255 * (np.indices((256, 256)).sum(axis=0) % 2).astype(np.uint8)
    photograph = np.repeat(checkers[..., None], 3, axis=-1)
    for seed in range(20):
        crop = random_crop(photograph, (32, 32), 0.5, np.random.default_rng(seed))
        assert np.all(np.abs(crop.astype(int) - 127.5) < 20)


def test_resize_squeezes_the_whole_photograph():
    photograph = ramps(1, 120, 300)
    crop = random_crop(photograph, (32, 32), None, np.random.default_rng(0))
    left, top, width, height = extent(crop, photograph)
    np.testing.assert_allclose([left, top], 0, atol=3)
    np.testing.assert_allclose([width, height], [300, 120], rtol=0.03)


def test_half_of_the_images_are_mirrored():
    photograph, rng = ramps(1, 100, 100), np.random.default_rng(0)
    for flip, expected in ((True, 0.5), (False, 0.0)):
        config = DataConfig(size=(16, 16), flip=flip)
        images = [training_image(photograph, rng, config) for _ in range(400)]
        mirrored = np.mean([int(image[0, 0, 1]) > int(image[0, -1, 1]) for image in images])
        assert abs(mirrored - expected) <= (4 * 0.025 if flip else 0)
        assert all(int(image[0, 0, 2]) < int(image[-1, 0, 2]) for image in images)


def test_the_configuration_reaches_the_crop():
    photograph = ramps(1, 120, 300)
    config = DataConfig(size=(32, 32), crop="resize", flip=False)
    image = training_image(photograph, np.random.default_rng(0), config)
    np.testing.assert_array_equal(
        image, random_crop(photograph, (32, 32), None, np.random.default_rng(1))
    )
    config = DataConfig(size=(32, 32), min_area=1.0, flip=False)
    images = [training_image(photograph, np.random.default_rng(i), config) for i in range(20)]
    assert all(abs(extent(image, photograph)[3] - 120) < 4 for image in images)
    changed = replace(config, rotation=20.0, stretch=0.3)
    np.testing.assert_array_equal(
        training_image(photograph, np.random.default_rng(0), changed),
        random_crop(photograph, (32, 32), 1.0, np.random.default_rng(0), 20.0, 0.3),
    )


# Turned and stretched crops.


def plane(crop, photograph):
    """How ``crop`` lies in ``ramps``: a turned ramp is a ramp.

    Returns:
        The matrix from its pixels (x, y) to those of the photograph, and its four corners there.
    """
    height, width = crop.shape[:2]
    y, x = np.indices((height, width)) + 0.5
    # At the photograph's edge, where nothing is further out, resizing bends the ramps.
    inside = (slice(height // 8, -(height // 8)), slice(width // 8, -(width // 8)))
    known = np.stack([x[inside].ravel(), y[inside].ravel(), np.ones(x[inside].size)], axis=1)
    values = np.stack([crop[inside][..., 1].ravel(), crop[inside][..., 2].ravel()], axis=1)
    solution, *_ = np.linalg.lstsq(known, values.astype(float), rcond=None)
    assert np.abs(known @ solution - values).max() < 2.5
    sides = np.array([photograph.shape[1], photograph.shape[0]])
    solution *= (sides - 1) / 255
    solution[2] += 0.5
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    return solution[:2].T, corners @ solution


@pytest.mark.parametrize("size", [(64, 64), (48, 96)])
def test_turned_crops_are_turned_and_show_nothing_from_outside(size):
    photograph = ramps(1, 240, 320)
    rng = np.random.default_rng(0)
    angles, gaps = [], []
    for _ in range(200):
        crop = random_crop(photograph, size, 0.5, rng, rotation=30.0)
        assert crop.shape == (*size, 3)
        assert crop.dtype == np.uint8
        matrix, corners = plane(crop, photograph)
        side = np.sqrt(np.linalg.det(matrix))
        angle = np.arctan2(matrix[1, 0], matrix[0, 0])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        np.testing.assert_allclose(matrix, side * turn, atol=0.03 * side)
        angles.append(np.degrees(angle))
        gaps.append(np.minimum(corners, [320, 240] - corners).min())
    # The largest crops touch the border.
    assert -2 < min(gaps) < 2
    assert max(gaps) > 10
    assert -30.5 < min(angles) < -29
    assert 29 < max(angles) < 30.5
    assert abs(np.mean(angles)) < 3 * 60 / np.sqrt(12 * 200)


def test_the_largest_turned_crops_touch_opposite_borders():
    photograph = ramps(1, 240, 320)
    rng = np.random.default_rng(0)
    for _ in range(40):
        crop = random_crop(photograph, (16, 16), 1.0, rng, rotation=180.0, stretch=0.5)
        _, corners = plane(crop, photograph)
        assert np.all(corners > -2.5)
        assert np.all(corners < [322.5, 242.5])
        spare = [320, 240] - np.ptp(corners, axis=0)
        assert abs(spare.min()) < 4


@pytest.mark.parametrize("rotation", [0.0, 30.0])
def test_stretched_crops_use_the_range_either_way(rotation):
    photograph = ramps(1, 240, 320)
    rng = np.random.default_rng(0)
    stretches = []
    for _ in range(200):
        crop = random_crop(photograph, (64, 64), 0.5, rng, rotation, stretch=0.5)
        matrix, corners = plane(crop, photograph)
        assert np.all(corners > -2)
        assert np.all(corners < [322, 242])
        # The photograph is stretched along its sides, so its rows and columns stay square.
        norms = np.linalg.norm(matrix, axis=1)
        assert abs(matrix[0] @ matrix[1]) < 0.04 * norms.prod()
        stretches.append(norms[0] / norms[1])
    assert 1.45 < max(stretches) < 1.53
    assert 1.45 < 1 / min(stretches) < 1.53
    assert abs(np.mean(np.log(stretches))) < 3 * 2 * np.log(1.5) / np.sqrt(12 * 200)


def test_without_rotation_and_stretch_nothing_is_drawn_for_them():
    photograph = np.random.default_rng(0).integers(0, 256, (90, 130, 3), np.uint8)
    for seed in range(20):
        rng, other = np.random.default_rng(seed), np.random.default_rng(seed)
        side = rng.uniform(0.5, 1.0) * (90 / 48)
        height, width = side * 48, side * 64
        top, left = rng.uniform(0, 90 - height), rng.uniform(0, 130 - width)
        expected = Image.fromarray(photograph).resize(
            (64, 48),
            Image.Resampling.BILINEAR,
            box=(left, top, left + width, top + height),
            reducing_gap=2.0,
        )
        np.testing.assert_array_equal(random_crop(photograph, (48, 64), 0.25, other), expected)
        assert other.random() == rng.random()


def test_turned_crops_fit_photographs_of_every_size():
    rng = np.random.default_rng(0)
    for _ in range(500):
        height, width = (int(side) for side in rng.integers(1, 100, 2))
        size = tuple(int(side) for side in 8 * rng.integers(1, 10, 2))
        photograph = np.full((height, width, 3), 255, np.uint8)
        crop = random_crop(photograph, size, 1.0, rng, rotation=180.0, stretch=1.0)
        assert crop.shape == (*size, 3)
        assert np.all(crop == 255)


def test_shrinking_averages_in_turned_crops_too():
    checkers = 255 * (np.indices((256, 256)).sum(axis=0) % 2).astype(np.uint8)
    photograph = np.repeat(checkers[..., None], 3, axis=-1)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        crop = random_crop(photograph, (32, 32), 0.7, rng, rotation=45.0, stretch=0.5)
        assert np.all(np.abs(crop.astype(int) - 127.5) < 20)


def test_squeezed_photographs_cant_be_turned():
    for field in ("rotation", "stretch"):
        with pytest.raises(ValueError, match=r"data\.crop must be random with data\.rotation"):
            DataConfig(crop="resize", **{field: 0.5})


# Validation.


@pytest.fixture(scope="module")
def validation_config(folder):
    return DataConfig(
        source="photographs", validation_source=f"folder:{folder}", size=(16, 24), flip=True
    )


def test_validation_images_are_always_the_same(validation_config):
    images = validation_images(validation_config, 8)
    assert images.shape == (8, 16, 24, 3)
    assert images.dtype == np.uint8
    np.random.seed(1)
    other = replace(validation_config, threads=1, workers=3, flip=False, source="tfds:other")
    np.testing.assert_array_equal(validation_images(other, 8), images)
    # Fewer are the first of them.
    np.testing.assert_array_equal(validation_images(validation_config, 3), images[:3])


def test_validation_images_come_from_all_over_the_source(validation_config):
    images = validation_images(validation_config, 2 * COUNT)
    order = numbers(images)
    assert sorted(order[:COUNT]) == list(range(COUNT))
    assert list(order[:COUNT]) != list(range(COUNT))
    np.testing.assert_array_equal(order[COUNT:], order[:COUNT])
    assert len({image.tobytes() for image in images}) == 2 * COUNT


def test_validation_images_arent_mirrored(validation_config):
    images = validation_images(validation_config, 2 * COUNT).astype(int)
    assert np.all(images[:, 0, 0, 1] < images[:, 0, -1, 1])


def test_validation_images_are_held_out(tmp_path):
    prepared_photographs(str(tmp_path))
    config = DataConfig(directory=str(tmp_path), size=(32, 32), crop="resize")
    held_out = {image.tobytes() for image in validation_images(config, 2)}
    assert len(held_out) == 2
    flipless = replace(config, flip=False)
    seen = {image.tobytes() for image in take(14, flipless, 1, seed=0)[:, 0]}
    assert len(seen) == 7
    assert not held_out & seen


def test_validation_masks_are_all_of_the_folder_in_a_fixed_order(masks):
    drawn = validation_masks(masks.folder, (40, 60), 2 * MASKS)
    assert drawn.shape == (2 * MASKS, 40, 60, 1)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn[MASKS:], drawn[:MASKS])
    np.testing.assert_array_equal(validation_masks(masks.folder, (40, 60), 3), drawn[:3])
    files = {(np.asarray(Image.open(path)) > 0).tobytes() for path in Path(masks.folder).iterdir()}
    assert {(mask > 0).tobytes() for mask in drawn} == files
