import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.records import SETTINGS, Records

COMMON = {"data": "photographs", "size": (24, 32), "batch_size": 4}
HOLES = {"thin": {"kind": "thin", "seed": 0}}
METHODS = {"telea": {"baseline": "telea"}}


def opened(folder, common=COMMON, holes=HOLES, methods=METHODS):
    return Records(folder, common, holes, methods)


def columns(first, count):
    numbers = np.arange(first, first + count)
    return {
        "number": numbers,
        "psnr": np.where(numbers % 3 == 0, np.inf, numbers / 7).astype(np.float32),
        "changed_outside": numbers % 2 == 1,
        "features": np.random.default_rng(first).normal(size=(count, 3)).astype(np.float32),
    }


def test_batches_come_back_one_behind_the_other(tmp_path):
    records = opened(tmp_path / "a/b")
    for batch in (2, 0, 1):  # in any order
        assert not records.has("thin", "telea", batch)
        records.save("thin", "telea", batch, columns(4 * batch, 4))
        assert records.has("thin", "telea", batch)
    assert not records.has("thin", "other", 0)
    found = opened(tmp_path / "a/b").load("thin", "telea", range(3))
    parts = [columns(4 * batch, 4) for batch in range(3)]
    assert list(found) == list(parts[0])
    for name, values in found.items():
        expected = np.concatenate([part[name] for part in parts])
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)


def test_batches_of_which_nothing_could_be_read_are_left_out(tmp_path):
    records = opened(tmp_path)
    for batch in (0, 2):
        records.save("thin", "telea", batch, {"number": np.zeros(0, np.int64)})
    records.save("thin", "telea", 1, columns(4, 4))
    found = records.load("thin", "telea", range(3))
    np.testing.assert_equal(found, columns(4, 4))
    assert records.load("thin", "telea", [0, 2]) == {}


def test_methods_and_holes_may_join_and_stay(tmp_path):
    opened(tmp_path)
    opened(
        tmp_path, holes={"thick": {"kind": "thick", "seed": 0}}, methods={"ours": {"weights": 1}}
    )
    settings = json.loads((tmp_path / SETTINGS).read_text())
    assert (list(settings["holes"]), list(settings["methods"])) == (
        ["thin", "thick"],
        ["telea", "ours"],
    )
    with pytest.raises(EvaluationError, match="ours weights: 1 -> 2"):
        opened(tmp_path, methods={"ours": {"weights": 2}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"common": {**COMMON, "size": None}}, r"size: \[24, 32\] -> None"),
        ({"common": {**COMMON, "more": 1}}, "more: None -> 1"),
        ({"common": {"data": "x", "size": (24, 32)}}, "data: photographs -> x; batch_size: 4 -> N"),
        ({"holes": {"thin": {"kind": "thin", "seed": 1}}}, "thin seed: 0 -> 1"),
        ({"methods": {"telea": {"folder": "x"}}}, "telea baseline: telea -> None; telea folder: N"),
    ],
)
def test_other_settings_are_refused_with_the_difference(tmp_path, change, message):
    opened(tmp_path)
    before = (tmp_path / SETTINGS).read_bytes()
    with pytest.raises(EvaluationError, match=f"other settings: {message}.*another --output"):
        opened(tmp_path, **change)
    assert (tmp_path / SETTINGS).read_bytes() == before


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    for folder in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(EvaluationError, match="isn't an empty folder and holds no evaluation"):
            opened(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"common": {}, "holes": 3, "methods": {}}',
        '{"common": [], "holes": {}, "methods": {}}',
        '{"common": {}, "holes": {"thin": 3}, "methods": {}}',
    ],
)
def test_settings_that_are_none_are_named(tmp_path, text):
    (tmp_path / SETTINGS).write_text(text)
    with pytest.raises(EvaluationError, match=r"settings\.json isn't the settings of an eval"):
        opened(tmp_path)


def test_a_part_that_is_damaged_or_gone_is_named(tmp_path):
    records = opened(tmp_path)
    records.save("thin", "telea", 0, columns(0, 4))
    records.save("thin", "telea", 1, columns(4, 4))
    path = tmp_path / "parts/thin/telea/000001.npz"
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [good[:length] for length in range(0, len(good), 37)]
    for _ in range(100):
        flipped = bytearray(good)
        flipped[rng.integers(len(good))] ^= 1 << rng.integers(8)
        damaged.append(bytes(flipped))
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            found = records.load("thin", "telea", range(2))
        except EvaluationError as error:
            assert str(error).startswith(f"{path} is damaged (")  # noqa: PT017
            refused += 1
        else:  # what nobody looks at
            np.testing.assert_equal(found["psnr"][4:], columns(4, 4)["psnr"])
    assert refused > 100
    path.unlink()
    with pytest.raises(EvaluationError, match=r"000001\.npz is damaged .* same command makes it"):
        records.load("thin", "telea", range(2))


def test_records_are_neither_pickles_nor_bombs(tmp_path):
    records = opened(tmp_path)
    records.save("thin", "telea", 0, columns(0, 4))
    path = tmp_path / "parts/thin/telea/000000.npz"
    np.savez(path, number=np.array([{}], object))
    with pytest.raises(EvaluationError, match=r"000000\.npz is damaged \(Object arrays cannot"):
        records.load("thin", "telea", [0])
    np.savez_compressed(path, number=np.zeros(10**7))
    with pytest.raises(EvaluationError, match=r"000000\.npz is damaged .*claims to hold 80000"):
        records.load("thin", "telea", [0])


def test_a_folder_that_can_t_be_written_to_is_one_line(tmp_path, monkeypatch):
    records = opened(tmp_path)

    write = Path.write_bytes

    def write_half(self, data):
        write(self, data[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(EvaluationError, match=r"000000\.npz: can't be written \(No space left"):
        records.save("thin", "telea", 0, columns(0, 4))
    assert not records.has("thin", "telea", 0)
    shutil.rmtree(tmp_path)
    with pytest.raises(EvaluationError, match=r"can't be written \(No space left"):
        opened(tmp_path)
