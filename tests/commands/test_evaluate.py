import contextlib
import csv
import dataclasses
import io
import json
import math
import re
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from jax_inpaint import cli
from jax_inpaint.evaluation.baselines import BASELINES
from jax_inpaint.metrics.figures import PICTURE_FIGURES
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import save_weights
from tests.evaluation.pages import Page
from tests.evaluation.scenes import (
    SIZES,
    box_hole,
    example,
    photograph,
    save,
    save_masks,
    save_photographs,
)
from tests.evaluation.test_scoring import by_numpy
from tests.inference.test_inpainter import make
from tests.metrics.test_lpips import save_twin

FILES = ["pictures.csv", "report.html", "report.md", "results.json", "settings.json"]


def command(*arguments):
    """Runs ``jax-inpaint``; gives exit status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["jax-inpaint", *map(str, arguments)])
        status = cli.main()
    return status, out.getvalue(), err.getvalue()


def evaluate(text, output="out"):
    return command("evaluate", *text.split(), "-o", output, "--batch-size", 3, "--draws", 100)


def check_refusal(result, message):
    status, _, err = result
    assert status == 1
    assert err.startswith("jax-inpaint: ")
    assert err.count("\n") == 1
    assert re.search(message, err), err


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Photographs, masks and a report on them."""
    folder = tmp_path_factory.mktemp("data")
    save_photographs(folder / "pictures")
    save_masks(folder / "boxes")
    with contextlib.chdir(folder):
        status, out, err = evaluate(BOTH)
    assert (status, err) == (0, "")
    assert "report: out/report.html" in out
    return folder


BOTH = "--data pictures --masks folder:boxes center --baselines mean-color telea"


@pytest.fixture(autouse=True)
def folder(data, tmp_path, monkeypatch):
    """The current folder, with the same files and, in ``made``, the report."""
    for name in ("pictures", "boxes"):
        shutil.copytree(data / name, tmp_path / name)
    shutil.copytree(data / "out", tmp_path / "made")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(output="made"):
    """The lines of pictures.csv by method, holes and picture, times left out."""
    with Path(output, "pictures.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    keys = [tuple(line.pop(name) for name in ("method", "holes", "picture")) for line in lines]
    assert len(set(keys)) == len(keys)
    for line in lines:
        del line["seconds"]
    return dict(zip(keys, lines, strict=True))


def results(output="made"):
    def refuse(word):
        raise AssertionError(f"{word} isn't JSON")

    return json.loads(Path(output, "results.json").read_text(), parse_constant=refuse)


# The report


def test_figures_are_those_of_each_fill(folder):
    found = rows()
    assert len(found) == 2 * 2 * len(SIZES)
    for number, (stem, size) in enumerate(SIZES.items()):
        one = example(size, number)
        for method in ("mean-color", "telea"):
            row = found[method, "boxes", stem]
            assert (row["number"], row["height"], row["width"]) == tuple(map(str, (number, *size)))
            assert float(row["share"]) == one.hole.mean()
            expected = by_numpy(one, BASELINES[method].fill(one.photograph, one.hole))
            for name, value in expected.items():
                assert float(row[name]) == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_means_are_those_of_the_pictures():
    found, by_holes = rows(), results()["by_holes"]
    assert list(by_holes) == ["all holes", "boxes", "center"]
    for holes, table in by_holes.items():
        assert list(table) == ["mean-color", "telea"]
        for method, row in table.items():
            lines = [
                line
                for (other, others_holes, _), line in found.items()
                if other == method and holes in (others_holes, "all holes")
            ]
            for name, estimate in row.items():
                values = [float(line[name]) for line in lines]
                if name == "ms_ssim":
                    assert estimate["value"] is None
                    continue
                mean = math.fsum(values) / len(values)
                assert estimate["value"] == pytest.approx(mean, rel=1e-5)
                assert estimate["low"] < mean < estimate["high"]
                assert (estimate["count"], estimate["infinite"]) == (len(values), 0)


def test_the_page_needs_nothing_else_and_shows_every_figure():
    page = Page.of(Path("made/report.html").read_text())
    assert page.problems == []
    assert page.texts["h1"] == ["Evaluation of inpainting"]
    text = " ".join(page.texts["td"] + page.texts["li"])
    for name, figure in PICTURE_FIGURES.items():
        assert (figure.title in text) != name.startswith("lpips_"), name
    row = results()["by_holes"]["boxes"]["telea"]["psnr"]
    assert f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})" in page.texts["td"]
    assert len(page.sources) == 3 + 2 * 3  # curves; best, median and worst of each method


def test_markdown_links_to_files_that_are_there(folder):
    text = Path("made/report.md").read_text()
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert len(links) == 3 + 2 * 3
    for link in links:
        assert (folder / "made" / link).is_file()
    files = {path.relative_to("made").as_posix() for path in Path("made").rglob("*.[sj][vp]g")}
    assert files == set(links)
    assert sorted(path.name for path in Path("made").glob("*.*")) == FILES


def shown_pictures(output):
    """What is shown below each heading, such as ``telea: best``: picture and holes."""
    text = Path(output, "report.md").read_text()
    pairs = re.findall(r"### ([\w-]+: \w+) \(([^,]*), holes (\w+)\)\n", text)
    return {title: (holes, stem) for title, stem, holes in pairs}


@pytest.mark.parametrize("name", ["hole_l1", "psnr", "total_variation"])
def test_pictures_are_ranked_by_a_figure(name):
    output = "made"
    if name != "hole_l1":
        output = "other"
        shutil.copytree("made", "other")
        assert evaluate(f"{BOTH} --rank-by {name}", "other")[0] == 0
    shown = shown_pictures(output)
    assert PICTURE_FIGURES[name].title in Path(output, "report.md").read_text().split("## Pic")[1]
    for method in ("mean-color", "telea"):
        values = {key[1:]: float(row[name]) for key, row in rows().items() if key[0] == method}
        order = sorted(values, key=values.get, reverse=name == "psnr")
        for title, place in (("best", 0), ("median", len(order) // 2), ("worst", -1)):
            assert values[shown[f"{method}: {title}"]] == values[order[place]]


def test_holes_are_compared_by_digests_and_machines_by_what_is_told():
    found = results()
    assert found["pictures"] == len(SIZES)
    assert found["skipped"] == []
    assert found["about"]["size"] == "as they are"
    assert "jax_inpaint" in found["about"]["made"]
    assert found["about"]["command"].startswith("jax-inpaint evaluate --data pictures")
    shares = [box_hole(size, i).mean() for i, size in enumerate(SIZES.values())]
    assert found["holes"]["boxes"]["mean_share"] == pytest.approx(np.mean(shares))
    assert len({holes["digest"] for holes in found["holes"].values()}) == 3
    assert found["missing"].keys() >= {"LPIPS (alexnet)", "FID, KID, P-IDS, U-IDS"}
    assert "there is no weights/alex" in found["missing"]["LPIPS (alexnet)"]


# Going on


def contents(output):
    return {
        path.relative_to(output): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in Path(output, "parts").rglob("*.npz")
    }


def test_the_same_command_does_nothing_twice():
    def tables():
        return [Path("made", name).read_bytes() for name in ("pictures.csv", "results.json")]

    evaluate(BOTH, "made")
    parts, before = contents("made"), tables()
    assert evaluate(BOTH, "made")[0] == 0
    assert contents("made") == parts
    assert tables() == before


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_what_was_stopped_by_a_signal_goes_on(monkeypatch, kind):
    telea = BASELINES["telea"]
    filled = []

    def stopping(picture, hole):
        filled.append(picture)
        if len(filled) == 5:  # of the second batch; the first call finds out whether it works
            signal.raise_signal(kind)
        return telea.fill(picture, hole)

    monkeypatch.setitem(BASELINES, "telea", dataclasses.replace(telea, fill=stopping))
    status, out, err = evaluate(BOTH)
    assert (status, err) == (128 + kind, "")
    assert f"stopped by {kind.name}; the same command goes on from here" in out
    assert not Path("out/report.md").exists()
    parts = contents("out")
    assert [len(filled), len(parts)] == [6, 4]
    monkeypatch.setitem(BASELINES, "telea", telea)
    assert evaluate(BOTH)[0] == 0
    assert parts.items() <= contents("out").items()
    assert rows("out") == rows()


def test_methods_and_masks_may_join(monkeypatch):
    assert evaluate("--data pictures --masks center --baselines telea")[0] == 0
    parts = contents("out")
    assert evaluate(BOTH)[0] == 0
    assert parts.items() < contents("out").items()
    assert rows("out") == rows()
    before, after = results("out"), results()
    for name in ("by_holes", "by_share", "differences", "holes"):
        assert before[name] == after[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{BOTH} --size 32 32", r"made holds an evaluation with .*: size: None -> \[32, 32\]\."),
        (f"{BOTH} --seed 4", "center seed: 0 -> 4"),
        (f"{BOTH} --count 3", "pictures: 5 -> 3"),
        (BOTH.replace("pictures", "folder:pictures"), "data: pictures -> folder:pictures"),
        ("--data pictures --masks folder:other/boxes", r"boxes folder: boxes -> other/boxes"),
    ],
)
def test_other_settings_are_refused_with_the_difference(text, message):
    save_masks(Path("other/boxes"))
    files = {path: path.read_bytes() for path in Path("made").rglob("*") if path.is_file()}
    check_refusal(evaluate(text, "made"), message)
    assert {path: path.read_bytes() for path in files} == files


@pytest.mark.parametrize("name", ["pictures/d.png", "boxes/d.png"])
def test_files_that_changed_since_are_refused(name):
    assert evaluate(BOTH)[0] == 0
    save(Path(name), np.tri(*SIZES["d"]).astype(bool))
    check_refusal(evaluate(BOTH), "files: [0-9a-f]{16} -> [0-9a-f]{16}")


def test_what_may_be_several_comes_behind_one_flag_or_more():
    before = rows()
    apart = "--masks folder:boxes --masks center --baselines mean-color --baselines telea"
    assert evaluate(f"--data pictures {apart}", "made")[0] == 0
    assert rows() == before
    assert evaluate("--data pictures --masks center --baselines telea")[0] == 0
    assert {name for _, name, _ in rows("out")} == {"center"}


def test_a_part_that_is_damaged_is_named_and_made_anew():
    path = Path("made/parts/center/telea/000001.npz")
    path.write_bytes(path.read_bytes()[:-30])
    check_refusal(evaluate(BOTH, "made"), f"{path} is damaged .* the same command makes it anew")
    path.unlink()
    before = rows()
    assert evaluate(BOTH, "made")[0] == 0
    assert rows() == before


# Masks and predictions


def without_holes(output, holes):
    return {(m, stem): row for (m, name, stem), row in rows(output).items() if name == holes}


def test_saved_masks_are_those_that_are_drawn():
    masks = "masks --data pictures --save saved --kind box --coverage 0.1 0.4 --seed 3 -n 2"
    assert command(*masks.split())[0] == 0
    assert sorted(path.name for path in Path("saved").iterdir()) == ["a.png", "d.png"]
    text = "--data pictures --masks box:10-40 folder:saved --baselines telea --seed 3 --count 2"
    assert evaluate(text)[0] == 0
    assert without_holes("out", "box_10-40") == without_holes("out", "saved")
    digests = [results("out")["holes"][name]["digest"] for name in ("box_10-40", "saved")]
    assert digests[0] == digests[1]


def test_numbered_masks_are_those_that_are_drawn():
    masks = "masks --save numbered --kind box --size 40 48 -n 5"
    assert command(*masks.split())[0] == 0
    text = "--data pictures --size 40 48 --masks box folder:numbered --baselines mean-color"
    assert evaluate(text)[0] == 0
    assert without_holes("out", "box") == without_holes("out", "numbered")


@pytest.fixture
def predictions(folder):
    """What the baseline makes of the holes, and the same with other known pixels."""
    for number, (stem, size) in enumerate(SIZES.items()):
        picture, hole = photograph(size, number), box_hole(size, number)
        filled = BASELINES["telea"].fill(picture, hole)
        save(folder / f"theirs/boxes/{stem}.png", filled)
        spoiled = np.where(hole[..., None], filled, 255 - filled)
        save(folder / f"spoiled/{stem}.png", spoiled)


PREDICTED = "--data pictures --masks folder:boxes --baselines telea --predictions"


def test_predictions_score_as_what_made_them_whatever_they_make_of_known_pixels(predictions):
    assert evaluate(f"{PREDICTED} theirs x=spoiled")[0] == 0
    found = rows("out")
    for stem in SIZES:
        line = found["telea", "boxes", stem]
        assert found["theirs", "boxes", stem] == found["x", "boxes", stem] == line
    text = Path("out/report.md").read_text()
    assert re.findall("(.*) changes known pixels in (.*) of its pictures", text) == [
        ("x", "100.0%")
    ]
    assert results("out")["images_per_second"].keys() == {"telea"}
    assert results("out")["differences"]["boxes"]["theirs - x"]["psnr"]["value"] == 0


def test_predictions_for_more_masks_may_join_but_those_that_were_scored_not_change(predictions):
    assert evaluate(f"{PREDICTED} theirs")[0] == 0
    for stem, size in SIZES.items():
        save(Path(f"theirs/center/{stem}.png"), photograph(size, 0))
    more = PREDICTED.replace("folder:boxes", "folder:boxes center")
    assert evaluate(f"{more} theirs")[0] == 0
    assert {name for _, name, _ in rows("out")} == {"boxes", "center"}
    assert evaluate(f"{PREDICTED} theirs")[0] == 0
    save(Path("theirs/center/a.png"), photograph(SIZES["a"], 9))
    check_refusal(evaluate(f"{more} theirs"), "theirs files for center: [0-9a-f]{16} -> ")


def test_predictions_that_don_t_fit_are_refused(predictions):
    Path("theirs/boxes/d.png").unlink()
    Path("theirs/boxes/b/c.png").unlink()
    message = r"--predictions theirs: 2 of 5 pictures are missing, such as theirs/boxes/b/c\.png"
    check_refusal(evaluate(f"{PREDICTED} theirs"), message)
    assert not Path("out").exists()
    save(Path("spoiled/g.png"), photograph((64, 60)))
    message = r"spoiled/g\.png is 60x64 but the photograph is 64x64 \(width x height\)"
    check_refusal(evaluate(f"{PREDICTED} spoiled"), message)


# Networks


def test_a_network_is_compared_and_lpips_decides_where_its_files_are(folder):
    save_weights(folder / "run.safetensors", *make(DeepFillV2Config(width=4)))
    (folder / "alexnet").mkdir()
    save_twin("alexnet", folder / "alexnet")
    features = "--features.alexnet alexnet/network.pth --features.lpips-alexnet alexnet/heads.pth"
    text = f"--data pictures --size 48 48 --count 2 --masks center --baselines telea {features}"
    status, out, err = evaluate(f"{text} --weights ours=run.safetensors")
    assert (status, err) == (0, "")
    assert "without LPIPS (vgg16)" in out
    assert "without LPIPS (alexnet)" not in out
    found = results("out")
    assert found["methods"]["ours"] == "run.safetensors"
    row = found["by_holes"]["center"]["ours"]
    distances = [float(line["lpips_alexnet"]) for line in rows("out").values()]
    assert row["lpips_alexnet"]["value"] == pytest.approx(np.mean(distances[:2]), rel=1e-5)
    assert min(distances) > 0
    shutil.copy(folder / "alexnet/heads.pth", folder / "alexnet/same.pth")
    again = text.replace("heads.pth", "same.pth")
    assert evaluate(f"{again} --weights ours=run.safetensors")[0] == 0
    save_twin("alexnet", folder / "alexnet", seed=4)
    check_refusal(evaluate(text), "weights lpips_alexnet: [0-9a-f]{16} -> [0-9a-f]{16}")
    assert "worst LPIPS (AlexNet)" in Path("out/report.md").read_text()
    assert "images/s" in Path("out/report.md").read_text()


# What can't be read or filled


def test_pictures_that_can_t_be_read_are_named_and_left_out():
    for name in ("a", "e.f"):
        Path(f"pictures/{name}.png").write_bytes(b"nothing")
    assert evaluate(BOTH)[0] == 0
    assert results("out")["skipped"] == ["a.png", "e.f.png"]
    assert results("out")["pictures"] == 3
    text = Path("out/report.md").read_text()
    assert "### Pictures that couldn't be read\n\na.png, e.f.png\n" in text
    assert rows("out") == {key: row for key, row in rows().items() if key[2] in ("b/c", "d", "g")}


def test_when_none_can_be_read_there_is_no_report():
    for stem in SIZES:
        Path(f"pictures/{stem}.png").write_bytes(b"nothing")
    check_refusal(evaluate(BOTH), "pictures: none of the pictures could be read")


def test_holes_that_are_empty_leave_their_figures_out():
    for stem, size in SIZES.items():
        save(Path(f"boxes/{stem}.png"), np.zeros(size, bool))
    assert evaluate("--data pictures --masks folder:boxes --baselines telea mean-color")[0] == 0
    row = results("out")["by_holes"]["boxes"]["telea"]
    assert row["hole_l1"]["value"] is None
    assert row["psnr"] == {
        "value": "infinity",
        "low": None,
        "high": None,
        "count": 0,
        "infinite": len(SIZES),
    }
    assert (row["l1"]["value"], row["ssim"]["value"]) == (0, 1)
    assert results("out")["by_share"] == {}
    assert Page.of(Path("out/report.html").read_text()).problems == []


def test_one_constant_picture():
    shutil.rmtree("pictures")
    save(Path("pictures/grey.png"), np.full((40, 40, 3), 90, np.uint8))
    assert evaluate("--data pictures --masks center --baselines mean-color telea")[0] == 0
    row = results("out")["by_holes"]["center"]["mean-color"]
    assert (row["l1"]["value"], row["psnr"]["value"], row["hole_ssim"]["value"]) == (
        0,
        "infinity",
        1,
    )
    assert row["l1"]["low"] is None
    assert shown_pictures("out").keys() == {"mean-color: best", "telea: best"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--data nowhere", "folder:nowhere: there is no such folder"),
        ("--data folder:nowhere", "folder:nowhere: there is no such folder"),
        ("--data pictures --count 0", "number of pictures must be >= 1, got 0"),
        ("--data pictures --size 0 32", "--size must be 8 pixels or more"),
        ("--data pictures --batch-size 0", "--batch-size and --draws must be >= 1"),
        ("--data pictures --draws 0", "--batch-size and --draws must be >= 1"),
        ("--data pictures --masks thik", "masks 'thik' aren't known; there are union, "),
        ("--data pictures --masks", "--masks: none given, so there is nothing to do"),
        ("--data pictures --masks box center box", "--masks: box is there twice; "),
        ("--data pictures --masks folder:boxes folder:x/boxes", "boxes is there twice; folders"),
        ("--data pictures --masks folder:photographs", "'photographs' can't be a name; folders"),
        ("--data pictures --masks folder:nowhere", "folder:nowhere: there is no such folder"),
        ("--data pictures --masks folder:empty", "folder:empty: no pictures below it"),
        ("--data pictures --masks folder:some", "1 of 5 pictures have a mask of their name, b/c"),
        ("--data pictures --masks folder:small", "mask of a is 40x40 but the picture is 64x48"),
        ("--data pictures --masks folder:whole", "hole of a in whole is the whole picture"),
        ("--data pictures --baselines", "none given, so there is nothing to do"),
        ("--data pictures --baselines telea telea", "telea is there twice; use NAME=PATH"),
        ("--data pictures --predictions a=empty", "a: 5 of 5 pictures are missing, such as empty/"),
        ("--data pictures --predictions telea=boxes", "telea is there twice; use NAME=PATH"),
        ("--data pictures --predictions a=nowhere", "a=nowhere: there is no such folder"),
        ("--data pictures --weights nowhere", "nowhere: there is no such file"),
        ("--data pictures --weights pictures", "pictures holds no weights.safetensors"),
        ("--data pictures --rank-by lpips_vgg16", "lpips_vgg16: its network's weights aren't"),
        ("--data pictures --features.inception boxes/a.png", "boxes/a.png"),
        ("--data pictures -o boxes", "boxes isn't an empty folder and holds no evaluation"),
        ("--data pictures -o boxes/a.png", "boxes/a.png isn't an empty folder"),
    ],
)
def test_what_is_wrong_is_one_line(folder, text, message):
    Path("empty").mkdir()
    for name, size in (("small", (40, 40)), ("whole", SIZES["a"])):
        save_masks(Path(name))
        save(Path(f"{name}/a.png"), np.ones(size, bool))
    save_masks(Path("x/boxes"))
    save(Path("photographs/1.png"), box_hole((40, 40)))
    save(Path("some/a.png"), box_hole(SIZES["a"]))
    if "--masks" not in text:
        text += " --masks center"
    if "-o" not in text.split():
        text += " -o out"
    check_refusal(command("evaluate", *text.split()), message)
    assert not Path("out/report.md").exists()


def test_help_names_every_argument(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["jax-inpaint", "evaluate", "--help"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 0
    out = capfd.readouterr().out
    for word in ("output", "data", "weights", "masks", "predictions", "baselines", "size", "count"):
        assert f"--{word}" in out
    for word in (
        "--rank-by",
        "--strategy",
        "--features.lpips-alexnet",
        "folder:PATH",
        "patchmatch",
    ):
        assert word in out
