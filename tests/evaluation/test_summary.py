import math

import numpy as np
import pytest

from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.statistics import Bootstrap
from jax_inpaint.evaluation.summary import EVERYTHING, summarize
from jax_inpaint.metrics.figures import SET_FIGURES

COUNT = 12
DRAWS = 50


def columns(seed, holes_seed, **others):
    """What records hold of a method and a set of holes."""
    rng, holes = np.random.default_rng(seed), np.random.default_rng(holes_seed)
    found = {
        "number": 10 + 3 * np.arange(COUNT),
        "share": holes.uniform(0.05, 0.55, COUNT),
        "hole_crc32": holes.integers(2**32, size=COUNT),
        "changed_outside": np.zeros(COUNT, bool),
        "seconds": rng.uniform(0.1, 0.2, COUNT),
        "psnr": rng.normal(20, 3, COUNT).astype(np.float32),
        "hole_l1": rng.uniform(0, 1, COUNT).astype(np.float32),
        "features": rng.normal(size=(COUNT, 3)).astype(np.float32),
    }
    return found | others


@pytest.fixture
def records():
    return {
        "thin": {"ours": columns(0, 8), "telea": columns(1, 8)},
        "thick": {"ours": columns(2, 9), "telea": columns(3, 9)},
    }


def assert_same(first, second):
    np.testing.assert_equal(vars(first), vars(second))


def test_each_set_of_holes_and_first_all_of_them(records):
    summary = summarize(records, {}, DRAWS)
    assert summary.figures == ["hole_l1", "psnr"]
    assert list(summary.by_holes) == [EVERYTHING, "thin", "thick"]
    assert summary.pictures == COUNT
    for holes, by_method in records.items():
        bootstrap = Bootstrap(by_method["ours"]["number"], DRAWS)
        for method, found in by_method.items():
            for name in ("hole_l1", "psnr"):
                expected = bootstrap.estimate(found[name])
                assert_same(summary.by_holes[holes][method][name], expected)
        expected = bootstrap.difference(by_method["ours"]["psnr"], by_method["telea"]["psnr"])
        assert_same(summary.differences[holes]["ours", "telea"]["psnr"], expected)
        assert summary.shares[holes] == by_method["ours"]["share"].mean()
    for method in ("ours", "telea"):
        joined = np.concatenate([records[holes][method]["psnr"] for holes in records])
        numbers = np.tile(records["thin"]["ours"]["number"], 2)
        expected = Bootstrap(numbers, DRAWS).estimate(joined)
        assert_same(summary.by_holes[EVERYTHING][method]["psnr"], expected)


def test_one_set_of_holes_and_one_method(records):
    summary = summarize({"thin": {"ours": records["thin"]["ours"]}}, {}, DRAWS)
    assert list(summary.by_holes) == ["thin"]
    assert summary.differences == {"thin": {}}


def test_groups_by_share_hold_every_fill_once(records):
    summary = summarize(records, {}, DRAWS)
    shares = np.concatenate([records[holes]["ours"]["share"] for holes in records])
    values = np.concatenate([records[holes]["telea"]["psnr"] for holes in records])
    assert sum(table["ours"]["psnr"].count for table in summary.by_share.values()) == 2 * COUNT
    rows = (shares > 0.2) & (shares <= 0.3)
    found = summary.by_share["20-30 %"]["telea"]["psnr"]
    assert found.count == rows.sum() > 1
    assert found.value == pytest.approx(values[rows].astype(np.float64).mean())


def test_digests_tell_whether_holes_are_the_same(records):
    digests = summarize(records, {}, DRAWS).digests
    assert len(set(digests.values())) == 3
    assert all(len(digest) == 8 and int(digest, 16) >= 0 for digest in digests.values())
    other = {"thin": {"mine": columns(7, 8)}, "thick": {"mine": columns(8, 5)}}
    others = summarize(other, {}, DRAWS).digests
    assert others["thin"] == digests["thin"]
    assert others["thick"] != digests["thick"]
    reversed_holes = {"thin": {"mine": columns(7, 8)}}
    reversed_holes["thin"]["mine"]["hole_crc32"] = columns(7, 8)["hole_crc32"][::-1]
    assert summarize(reversed_holes, {}, DRAWS).digests["thin"] != digests["thin"]


def test_speed_is_the_median_pictures_and_untimed_methods_have_none(records):
    seconds = np.array([math.nan] + [0.5] * 8 + [9.0] * 3)
    for holes in records:
        records[holes]["ours"]["seconds"] = seconds
        records[holes]["telea"]["seconds"] = np.full(COUNT, math.nan)
    assert summarize(records, {}, DRAWS).speed == {"ours": 2.0}


def test_how_often_known_pixels_change_is_told_where_they_do(records):
    records["thick"]["telea"]["changed_outside"] = np.arange(COUNT) < 6
    assert summarize(records, {}, DRAWS).changed_outside == {"telea": 0.25}


def test_distances_of_sets_are_there_for_each_set_of_holes_alone(records):
    rng = np.random.default_rng(4)
    features = {10 + 3 * i: rng.normal(size=3).astype(np.float32) for i in range(COUNT)}
    summary = summarize(records, features, DRAWS)
    assert summary.figures == ["hole_l1", "psnr", *SET_FIGURES]
    assert "fid" not in summary.by_holes[EVERYTHING]["ours"]
    row = summary.by_holes["thin"]["telea"]
    assert SET_FIGURES.keys() <= row.keys()
    assert (row["fid"].count, math.isnan(row["fid"].low)) == (COUNT, True)
    records["thin"]["telea"]["features"] = np.stack(list(features.values()))
    row = summarize(records, features, DRAWS).by_holes["thin"]["telea"]
    assert row["fid"].value == pytest.approx(0, abs=1e-6)


def test_empty_holes_are_in_no_group():
    empty = columns(0, 8, share=np.zeros(COUNT), hole_l1=np.full(COUNT, math.nan, np.float32))
    summary = summarize({"none": {"ours": empty}}, {}, DRAWS)
    assert summary.by_share == {}
    assert math.isnan(summary.by_holes["none"]["ours"]["hole_l1"].value)


@pytest.mark.parametrize("column", ["number", "hole_crc32"])
def test_rows_that_are_not_the_same_pictures_and_holes_are_refused(records, column):
    records["thick"]["telea"][column] = np.roll(records["thick"]["telea"][column], 1)
    with pytest.raises(EvaluationError, match=r"telea was .* other pictures or holes \(thick\)"):
        summarize(records, {}, DRAWS)
    del records["thick"]["telea"]
    records["thick"] = {name: {} for name in ("ours", "telea")}
    with pytest.raises(EvaluationError, match=r"ours was .* other pictures or holes \(thick\)"):
        summarize(records, {}, DRAWS)
