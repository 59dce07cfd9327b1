import itertools

import numpy as np
import pytest

from jax_inpaint.evaluation.baselines import fill_mean_color
from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.holes import parse_holes
from jax_inpaint.evaluation.methods import Baseline
from jax_inpaint.evaluation.pictures import Photographs
from jax_inpaint.evaluation.records import Records
from jax_inpaint.evaluation.run import FEATURES, PHOTOGRAPHS, Evaluation, Stopped
from jax_inpaint.evaluation.scoring import Scorer
from tests.evaluation.scenes import SIZES, box_hole, photograph, save, save_masks, save_photographs


class Filler:
    """Fills with the mean colour, and keeps account."""

    description, timed = "", True

    def __init__(self, name, together=1, spoil=False):
        self.name, self.together, self._spoil = name, together, spoil
        self.identity = {"name": name}
        self.calls = []

    def fill(self, examples):
        self.calls.append([(e.holes, e.stem) for e in examples])
        filled = [fill_mean_color(e.photograph, e.hole) for e in examples]
        return [255 - picture if self._spoil else picture for picture in filled]

    @property
    def filled(self):
        return list(itertools.chain(*self.calls))


class Features(Scorer):
    """With features that are quick: a picture's mean colour."""

    def __init__(self):
        super().__init__({}, None, 2)

    has_features = True

    def features(self, pictures):
        return np.stack([picture.mean(axis=(0, 1)) for picture in pictures]).astype(np.float32)


@pytest.fixture(scope="module")
def scorer():
    return Scorer({}, None, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs and two sets of masks."""
    folder = tmp_path_factory.mktemp("data")
    save_photographs(folder / "pictures")
    save_masks(folder / "boxes")
    for stem, size in SIZES.items():
        save(folder / f"corner/{stem}.png", box_hole(size, 2)[::-1])
    return folder


@pytest.fixture
def evaluation(folder, scorer, tmp_path):
    """Makes evaluations whose records are in one folder."""

    def make(
        *methods, holes=("boxes", "corner"), scorer=scorer, data=folder, output="out", share=(0, 1)
    ):
        photographs = Photographs(str(data / "pictures"))
        sets = [parse_holes(f"folder:{data / name}", 0, photographs.stems) for name in holes]
        records = Records(
            tmp_path / output,
            {},
            {h.name: h.identity for h in sets},
            {m.name: m.identity for m in methods},
        )
        return Evaluation(photographs, sets, list(methods), scorer, records, 2, share), records

    return make


def columns(evaluation, records):
    """Everything but the time that it took."""
    return {
        (holes.name, method.name): {
            name: values
            for name, values in records.load(holes.name, method.name, range(3)).items()
            if name != "seconds"
        }
        for holes in evaluation.holes
        for method in evaluation.methods
    }


def nothing(count):
    del count


def test_every_picture_is_filled_once_and_recorded_in_order(evaluation):
    a, b = Filler("a"), Filler("b", together=2)
    whole, records = evaluation(a, b)
    done = []
    whole.run(done.append)
    assert sum(done) == whole.total == 5 * 2 * 2
    wanted = [(holes, stem) for holes in ("boxes", "corner") for stem in SIZES]
    assert a.filled == b.filled == wanted
    assert {len(call) for call in a.calls} == {1}
    assert {len(call) for call in b.calls} == {1, 2}
    for found in columns(whole, records).values():
        assert found["number"].tolist() == [0, 1, 2, 3, 4]
        sizes = zip(found["height"].tolist(), found["width"].tolist(), strict=True)
        assert list(sizes) == list(SIZES.values())
    shares = records.load("boxes", "a", range(3))["share"]
    expected = [box_hole(size, number).mean() for number, size in enumerate(SIZES.values())]
    np.testing.assert_array_equal(shares, expected)
    np.testing.assert_equal(
        columns(whole, records)["boxes", "a"], columns(whole, records)["boxes", "b"]
    )


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_processes_share_the_batches_and_find_what_one_does(evaluation, count):
    alone, records = evaluation(Filler("a"), Filler("b"), scorer=Features(), output="alone")
    alone.run(nothing)
    expected = columns(alone, records)
    features = records.load(PHOTOGRAPHS, FEATURES, range(3))

    a, b, done = Filler("a"), Filler("b"), []
    for number in range(count):
        part, records = evaluation(a, b, scorer=Features(), share=(number, count))
        part.run(done.append)
        assert sum(done) == len(a.filled + b.filled)
        assert part.total <= -(-6 // count) * 2 * 2  # batches, their pictures, methods
    assert len(a.filled) == len(set(a.filled)) == len(set(b.filled)) == 10
    np.testing.assert_equal(columns(part, records), expected)
    np.testing.assert_equal(records.load(PHOTOGRAPHS, FEATURES, range(3)), features)


@pytest.mark.parametrize("steps", [1, 2, 5, 11, 12])
def test_what_was_stopped_goes_on_with_what_is_missing(evaluation, steps):
    through, records = evaluation(Filler("a"), Filler("b"), output="through")
    through.run(nothing)
    expected = columns(through, records)

    a, b = Filler("a"), Filler("b")
    stopped, _ = evaluation(a, b)
    asked = itertools.count(1)
    done = []
    with pytest.raises(Stopped):
        stopped.run(done.append, lambda: next(asked) == steps)
    first = a.filled + b.filled
    assert sum(done) == len(first) < 20 or steps == 12
    again, records = evaluation(a, b)
    done = []
    again.run(done.append)
    assert sum(done) == again.total
    assert len(a.filled + b.filled) == 20
    assert len(set(a.filled)) == len(set(b.filled)) == 10
    np.testing.assert_equal(columns(again, records), expected)


def test_methods_and_holes_that_join_do_only_what_is_theirs(evaluation):
    a, b = Filler("a"), Filler("b")
    evaluation(a, holes=["boxes"])[0].run(nothing)
    a.calls.clear()
    evaluation(a, b, holes=["boxes"])[0].run(nothing)
    assert (len(a.filled), len(b.filled)) == (0, 5)
    evaluation(a, b)[0].run(nothing)
    assert (len(a.filled), len(b.filled)) == (5, 10)
    assert {holes for holes, _ in a.filled} == {"corner"}


def test_one_batch_that_is_gone_is_done_anew(evaluation, tmp_path):
    a = Filler("a")
    before, records = evaluation(a)
    before.run(nothing)
    expected = columns(before, records)
    (tmp_path / "out/parts/corner/a/000001.npz").unlink()
    a.calls.clear()
    after, records = evaluation(a)
    after.run(nothing)
    assert a.filled == [("corner", "d"), ("corner", "e.f")]
    np.testing.assert_equal(columns(after, records), expected)


def test_features_are_kept_of_every_fill_and_once_of_photographs(evaluation, tmp_path, folder):
    a = Filler("a")
    whole, records = evaluation(a, scorer=Features())
    whole.run(nothing)
    real = records.load(PHOTOGRAPHS, FEATURES, range(3))
    assert real["number"].tolist() == [0, 1, 2, 3, 4]
    photographs = Photographs(str(folder / "pictures"))
    for number in range(5):
        colour = photographs[number].mean(axis=(0, 1))
        np.testing.assert_allclose(real[FEATURES][number], colour, rtol=1e-6)
    for holes in whole.holes:
        for number, fill in enumerate(records.load(holes.name, "a", range(3))[FEATURES]):
            example = next(whole.examples(holes, [number]))
            colour = fill_mean_color(example.photograph, example.hole).mean(axis=(0, 1))
            np.testing.assert_allclose(fill, colour, rtol=1e-6)
    # A file of theirs that is deleted is made anew, without filling anything.
    a.calls.clear()
    (tmp_path / f"out/parts/{PHOTOGRAPHS}/{FEATURES}/000001.npz").unlink()
    evaluation(a, scorer=Features())[0].run(nothing)
    np.testing.assert_equal(records.load(PHOTOGRAPHS, FEATURES, range(3)), real)
    assert a.filled == []


def test_pictures_that_can_t_be_read_are_left_out(evaluation, tmp_path, folder):
    save_photographs(tmp_path / "pictures")
    for stem in ("a", "d", "e.f"):  # "d" and "e.f" are a batch
        (tmp_path / f"pictures/{stem}.png").write_bytes(b"nothing")
    save_masks(tmp_path / "boxes")
    a = Filler("a")
    some, records = evaluation(a, holes=["boxes"], data=tmp_path, scorer=Features())
    done = []
    some.run(done.append)
    assert sum(done) == 5
    assert [stem for _, stem in a.filled] == ["b/c", "g"]
    found = records.load("boxes", "a", range(3))
    assert found["number"].tolist() == [1, 4]
    assert records.load(PHOTOGRAPHS, FEATURES, range(3))["number"].tolist() == [1, 4]
    whole, of_whole = evaluation(Filler("a"), holes=["boxes"], output="other")
    whole.run(nothing)
    expected = of_whole.load("boxes", "a", range(3))
    for name in ("hole_l1", "psnr", "ssim", "share", "hole_crc32"):
        np.testing.assert_allclose(found[name], expected[name][[1, 4]], rtol=1e-6, err_msg=name)


def test_known_pixels_that_change_are_noticed_but_not_scored(evaluation):
    tidy, spoiling = Filler("tidy"), Filler("spoiling", spoil=True)
    whole, records = evaluation(tidy, spoiling, holes=["boxes"])
    whole.run(nothing)
    found = columns(whole, records)
    assert not found["boxes", "tidy"]["changed_outside"].any()
    assert found["boxes", "spoiling"]["changed_outside"].all()
    hole = box_hole(SIZES["a"])
    picture = photograph(SIZES["a"])
    fill = 255 - fill_mean_color(picture, hole).astype(float)
    expected = np.abs(fill - picture)[hole].mean() / 255
    assert found["boxes", "spoiling"]["hole_l1"][0] == pytest.approx(expected, rel=1e-5)
    assert found["boxes", "spoiling"]["l1"][0] == pytest.approx(expected * hole.mean(), rel=1e-5)


def test_an_empty_hole_is_perfect_as_a_whole_and_has_no_figures_of_its_own(evaluation, tmp_path):
    save_photographs(tmp_path / "pictures")
    save_masks(tmp_path / "boxes")
    save(tmp_path / "boxes/d.png", np.zeros(SIZES["d"], bool))
    a = Filler("a")
    whole, records = evaluation(a, holes=["boxes"], data=tmp_path)
    whole.run(nothing)
    assert "d" not in [stem for _, stem in a.filled]
    found = records.load("boxes", "a", range(3))
    for name, values in found.items():
        if name.startswith("hole_") and name != "hole_crc32":
            assert np.isnan(values).tolist() == [False, False, True, False, False], name
    assert (found["l1"][2], found["psnr"][2], found["ssim"][2]) == (0, np.inf, 1)
    assert found["share"][2] == 0
    assert np.isnan(found["seconds"][2])


def test_a_hole_that_is_everything_is_refused(evaluation, tmp_path):
    save_photographs(tmp_path / "pictures")
    save_masks(tmp_path / "boxes")
    save(tmp_path / "boxes/b/c.png", np.ones(SIZES["b/c"], bool))
    with pytest.raises(EvaluationError, match="the hole of b/c in boxes is the whole picture"):
        evaluation(Filler("a"), holes=["boxes"], data=tmp_path)[0].run(nothing)


def test_the_first_fill_of_a_size_is_not_timed(evaluation):
    whole, records = evaluation(Filler("a"), Filler("b"))
    whole.run(nothing)
    for method in ("a", "b"):
        seconds = records.load("boxes", method, range(3))["seconds"]
        assert np.isnan(seconds).tolist() == [True, True, True, False, True]  # e.f is of a's size
        seconds = records.load("corner", method, range(3))["seconds"]
        assert np.isfinite(seconds).all()
    assert (records.load("corner", "a", range(3))["seconds"] > 0).all()


def test_what_only_reads_files_has_no_times(evaluation):
    reader = Filler("a")
    reader.timed = False
    whole, records = evaluation(reader)
    whole.run(nothing)
    assert np.isnan(records.load("corner", "a", range(3))["seconds"]).all()


def test_a_baseline_by_name(evaluation):
    whole, records = evaluation(Baseline("mean-color"), Filler("a"), holes=["boxes"])
    whole.run(nothing)
    found = columns(whole, records)
    np.testing.assert_equal(found["boxes", "mean-color"], found["boxes", "a"])
