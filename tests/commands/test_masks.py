from pathlib import Path

import numpy as np
import pytest
import tyro
from PIL import Image

from jax_inpaint.commands.masks import GAP, GREY, Masks
from jax_inpaint.config import ConfigError, MaskConfig
from jax_inpaint.data.sources import DataError
from jax_inpaint.data.stream import central_crop
from jax_inpaint.evaluation.holes import DrawnHoles
from jax_inpaint.images import ImageFileError
from tests.evaluation.scenes import save_photographs

CONFIG = """
import dataclasses
from jax_inpaint.config import DataConfig, MaskConfig, load_config
config = dataclasses.replace(load_config({base!r}), masks={masks}, data=DataConfig(size=(32, 64)))
"""
BASE = Path(__file__).parents[2] / "configs" / "deepfillv2_places2.py"


def run(*arguments):
    tyro.cli(Masks, args=[str(argument) for argument in arguments]).run()


def cells(path, size):
    """The masks of a sheet, in order, those of the last row that aren't there left out."""
    sheet = np.asarray(Image.open(path))
    height, width = size[0] + GAP, size[1] + GAP
    assert (sheet.shape[0] - GAP) % height == (sheet.shape[1] - GAP) % width == 0
    assert np.all(sheet[:GAP] == GREY)
    found = [
        sheet[top : top + size[0], left : left + size[1]]
        for top in range(GAP, sheet.shape[0], height)
        for left in range(GAP, sheet.shape[1], width)
    ]
    return [cell for cell in found if not np.all(cell == GREY)]


def config_file(folder, masks):
    path = folder / "config.py"
    path.write_text(CONFIG.format(base=str(BASE), masks=masks))
    return path


def test_a_sheet_has_the_masks_and_the_figures_are_theirs(tmp_path, capsys):
    run("--kind", "outpainting", "-n", 21, "--size", 24, 40, "-o", tmp_path / "grid.png")
    masks = cells(tmp_path / "grid.png", (24, 40))
    assert len(masks) == 21
    assert all(set(np.unique(mask)) <= {0, 255} for mask in masks)
    shares = np.mean(np.array(masks) == 255, axis=(1, 2))
    lines = capsys.readouterr().out.splitlines()
    assert "21 masks of 40x24, kind outpainting" in lines[0]
    for share in (shares.mean(), shares.min(), shares.max()):
        assert f"{share:.1%}" in lines[1]
    counts = [int(line.split("%")[1].split()[0]) for line in lines[2:]]
    assert counts == np.histogram(shares, np.arange(0, 1.1, 0.1))[0].tolist()[: len(counts)]
    assert sum(counts) == 21
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


def test_the_sheet_is_more_or_less_square(tmp_path):
    run("--kind", "box", "-n", 16, "--size", 16, 64, "-o", tmp_path / "grid.png")
    height, width = np.asarray(Image.open(tmp_path / "grid.png")).shape
    assert 0.5 < width / height < 2


def test_seeds_give_other_masks_and_more_masks_begin_with_the_same(tmp_path):
    arguments = ("--kind", "box", "--size", 16, 16)
    for name, more in (("a", ()), ("b", ("--seed", 1)), ("c", ())):
        run(*arguments, "-n", 20 if name == "c" else 9, *more, "-o", tmp_path / f"{name}.png")
    a, b, c = (cells(tmp_path / f"{name}.png", (16, 16)) for name in "abc")
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(a, c[:9])


def test_bounds_of_coverage(tmp_path, capsys):
    size = ("--size", 16, 24)
    run("--kind", "boxes", *size, "--coverage", 0.3, 0.4, "-n", 8, "-o", tmp_path / "grid.png")
    shares = np.mean(np.array(cells(tmp_path / "grid.png", (16, 24))) == 255, axis=(1, 2))
    assert shares.min() >= 0.3
    assert shares.max() <= 0.4
    assert " 30- 40 %     8 ####" in capsys.readouterr().out


def test_the_masks_of_a_configuration(tmp_path, capsys):
    masks = "MaskConfig(kind='mixture', mixture=(('box', 1.0), ('boxes', 1.0)), per_image=False)"
    config = config_file(tmp_path, masks)
    run("--config", config, "-n", 8, "-o", tmp_path / "grid.png")
    masks = cells(tmp_path / "grid.png", (32, 64))
    assert len(masks) == 8
    assert not all(np.array_equal(masks[0], mask) for mask in masks)
    assert "kind mixture" in capsys.readouterr().out
    run("--config", config, "--kind", "box", "-n", 4, "-o", tmp_path / "box.png")
    assert "kind box" in capsys.readouterr().out


def test_the_masks_of_a_folder(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    mask = np.zeros((16, 16), np.uint8)
    mask[2:7, 3:12] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    config = config_file(tmp_path, f"MaskConfig(kind='folder', folder={str(folder)!r})")
    run("--config", config, "--size", 16, 16, "-n", 12, "-o", tmp_path / "grid.png")
    drawn = cells(tmp_path / "grid.png", (16, 16))
    assert len(drawn) == 12
    assert {np.count_nonzero(cell) for cell in drawn} == {45}
    (folder / "mask.png").unlink()
    with pytest.raises(DataError, match="no pictures"):
        run("--config", config, "-o", tmp_path / "other.png")


def test_a_file_that_exists_stays_without_force(tmp_path):
    path = tmp_path / "grid.png"
    path.write_bytes(b"mine")
    arguments = ("--kind", "box", "--size", 8, 8, "-n", 2, "-o", path)
    with pytest.raises(ImageFileError, match="--force"):
        run(*arguments)
    assert path.read_bytes() == b"mine"
    run(*arguments, "--force")
    assert len(cells(path, (8, 8))) == 2


def saved(folder):
    """Masks by path, bool."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): np.asarray(Image.open(path)) for path in files}


def test_saved_masks_are_numbered_and_those_of_the_sheet(tmp_path, capsys):
    arguments = ("--kind", "boxes", "-n", 5, "--size", 16, 24, "--seed", 2)
    run(*arguments, "--save", tmp_path / "masks/here", "-o", tmp_path / "grid.png")
    files = saved(tmp_path / "masks/here")
    assert list(files) == [f"{number:06d}.png" for number in range(5)]
    assert all(mask.dtype == np.uint8 for mask in files.values())
    np.testing.assert_array_equal(list(files.values()), cells(tmp_path / "grid.png", (16, 24)))
    assert "5 masks of 24x16, kind boxes" in capsys.readouterr().out
    run(*arguments, "--save", tmp_path / "again")
    np.testing.assert_array_equal(list(saved(tmp_path / "again").values()), list(files.values()))


def test_masks_for_pictures_have_their_names_and_sizes_and_are_those_of_their_numbers(
    tmp_path, capsys
):
    sizes = {"a": (16, 24), "b/c": (20, 20), "d": (16, 24)}
    photographs = save_photographs(tmp_path / "photographs", sizes)
    arguments = ("--data", photographs, "--kind", "box", "--seed", 3)
    run(*arguments, "--save", tmp_path / "masks", "--pictures", tmp_path / "pictures")
    draw = DrawnHoles("box", MaskConfig(kind="box"), 3)
    for number, (path, mask) in enumerate(saved(tmp_path / "masks").items()):
        np.testing.assert_array_equal(mask == 255, draw(number, sizes[path[:-4]]))
    assert saved(tmp_path / "masks").keys() == {f"{stem}.png" for stem in sizes}
    pictures = saved(photographs)
    np.testing.assert_equal(saved(tmp_path / "pictures"), pictures)
    out = capsys.readouterr().out
    shares = [np.mean(mask == 255) for mask in saved(tmp_path / "masks").values()]
    assert "3 masks for the pictures of" in out
    assert f"coverage: mean {np.mean(shares):.1%}, least {min(shares):.1%}" in out
    run(
        *arguments,
        "--size",
        12,
        18,
        "-n",
        2,
        "--save",
        tmp_path / "m",
        "--pictures",
        tmp_path / "p",
    )
    assert list(saved(tmp_path / "m")) == list(saved(tmp_path / "p")) == ["a.png", "b/c.png"]
    np.testing.assert_array_equal(saved(tmp_path / "m")["b/c.png"] == 255, draw(1, (12, 18)))
    expected = central_crop(pictures["b/c.png"], (12, 18))
    np.testing.assert_array_equal(saved(tmp_path / "p")["b/c.png"], expected)


def test_a_folder_that_holds_something_stays_without_force(tmp_path):
    save_photographs(tmp_path / "photographs", {"a": (16, 16)})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    arguments = ("--kind", "box", "--data", tmp_path / "photographs")
    for more in (
        ("--save", tmp_path / "mine"),
        ("--save", tmp_path / "mine/notes.txt"),
        ("--save", tmp_path / "new", "--pictures", tmp_path / "mine"),
    ):
        with pytest.raises(ImageFileError, match="isn't an empty folder; --force writes there"):
            run(*arguments, *more)
    assert not (tmp_path / "new").exists()
    run(*arguments, "--save", tmp_path / "mine", "--force")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["a.png", "notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say where masks go"),
        (("--data", "photographs"), "say where masks go"),
        (("--data", "photographs", "-o", "grid.png"), "--data goes with --save, and without"),
        (("--pictures", "p", "--save", "m"), "--pictures goes with --data"),
    ],
)
def test_options_that_don_t_go_together(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        run(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_masks_of_a_folder_are_not_saved_for_pictures(tmp_path):
    config = config_file(tmp_path, "MaskConfig(kind='folder', folder='x')")
    with pytest.raises(ConfigError, match="files already"):
        run("--config", config, "--data", tmp_path, "--save", tmp_path / "masks")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("-n", 0), "--count"),
        (("--size", 4, 64), "--size"),
        (("--coverage", 0.6, 0.3), "coverage"),
        (("--config", "none.py"), "no such file"),
    ],
)
def test_what_is_wrong_is_said(arguments, word, tmp_path):
    with pytest.raises(ConfigError, match=word):
        run(*arguments, "-o", tmp_path / "grid.png")


def test_help_documents_every_option(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    text = " ".join(capsys.readouterr().out.split())
    for option in ("--kind", "-n", "--size", "--coverage", "--seed", "--config", "-o", "--force"):
        assert option in text
    for option in ("--save", "--data", "--pictures"):
        assert option in text
    for kind in ("thick", "walk", "text"):
        assert kind in text
