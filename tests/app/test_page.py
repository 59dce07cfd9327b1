from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from jax_inpaint.app.page import EXAMPLES
from jax_inpaint.images import Picture, grow_hole, read_picture, write_picture

HOW = {"weights": "plain", "device": "cpu:0", "strategy": "auto", "blend": "none"}


def select(index):
    return gr.SelectData(None, {"index": index, "value": None})


def editor(mask):
    """What the browser sends of an editor that this is painted in."""
    layer = np.zeros((*mask.shape, 4), np.uint8)
    layer[mask] = 230, 30, 90, 178
    return {"background": None, "layers": [layer], "composite": None}


def painted(value):
    """What an editor is given."""
    return read_picture(value["layers"][0]).pixels[..., 3] > 127


def pixels_of(path):
    return read_picture(path).pixels


@pytest.fixture
def hole():
    hole = np.zeros((60, 80), bool)
    hole[20:30, 40:60] = True
    return hole


@pytest.fixture
def session(page, picture_file):
    return page.open(str(picture_file))[page.session]


def fill(page, session, hole, sketch=None, **how):
    drawn = None if sketch is None else editor(sketch)
    return list(
        page.fill_painted(session, editor(hole), drawn, *{**HOW, **how}.values(), no_progress)
    )


def no_progress(*_):
    pass


def test_opening_shows_the_picture(page, picture_file):
    seen = page.open(str(picture_file))
    shown = pixels_of(seen[page.hole]["background"]).astype(int)
    assert np.abs(shown - pixels_of(picture_file)).mean() < 4
    assert not painted(seen[page.hole]).any()
    assert seen[page.slider] is None
    assert seen[page.opener] is None
    assert "photo.png, 80 x 60 pixels" in seen[page.line]
    assert not seen[page.undo_button]["interactive"]


def test_examples_can_be_opened(page):
    for index, path in enumerate(EXAMPLES):
        seen = page.open_example(select(index))
        assert seen[page.session].name == path.name


def test_a_quick_look_and_then_the_fill(page, session, hole):
    quick, seen = fill(page, session, hole)
    original = session.current.picture.pixels
    assert list(quick) == [page.slider]
    far = ~grow_hole(hole, 16)  # from where JPEG's blocks mix
    for before, after in (quick[page.slider], seen[page.slider]):
        assert np.abs(pixels_of(before).astype(int) - original).mean() < 4
        changes = np.abs(pixels_of(after).astype(int) - original)
        assert changes[far].mean() < 4
        assert changes[hole].mean() > 40
    assert seen[page.hole]["background"] == seen[page.slider][1]
    assert not painted(seen[page.hole]).any()
    filled = seen[page.session].current.picture.pixels
    assert np.array_equal(filled[~hole], original[~hole])
    assert seen[page.undo_button]["interactive"]


def test_fills_go_on_from_fills_and_can_be_taken_back(page, session, hole):
    first = fill(page, session, hole)[-1][page.session]
    other = np.roll(hole, 20, axis=0)
    second = fill(page, first, other)[-1][page.session]
    assert len(second.versions) == 3
    assert np.array_equal(second.current.picture.pixels[hole], first.current.picture.pixels[hole])
    back = page.move(-1, second, None, None)
    assert np.array_equal(painted(back[page.hole]), other)
    assert back[page.redo_button]["interactive"]
    assert (
        page.move(1, back[page.session], None, None)[page.session].current.picture
        is second.current.picture
    )
    assert page.jump(second, None, None, select(0))[page.session].current.hole.sum() == hole.sum()


def test_what_the_hole_is_can_be_changed(page, session, hole):
    def changed(operation, pixels):
        seen = page.change_hole(operation, session, editor(hole), None, pixels)
        mask = seen[page.session].current.hole
        assert np.array_equal(painted(seen[page.hole]), mask)
        return mask

    assert changed("Expand", 2).sum() > hole.sum()
    assert changed("Expand", 2)[hole].all()
    assert np.array_equal(
        changed("Shrink", 3), np.pad(np.ones((4, 14), bool), ((23, 33), (43, 23)))
    )
    assert np.array_equal(changed("Invert", 3), ~hole)
    assert not changed("Clear", 3).any()


def test_a_mask_can_be_opened_and_saved(page, session, hole, tmp_path):
    path = tmp_path / "mask.png"
    write_picture(path, Picture(hole[..., None] * np.uint8(255), "L"))
    seen = page.open_mask(session, None, None, str(path))
    assert np.array_equal(seen[page.session].current.hole, hole)
    saved = page.save_mask(seen[page.session], None)
    assert saved.endswith("photo_mask.png")
    assert np.array_equal(read_picture(saved).pixels[..., 0] > 127, hole)
    # Once it is filled, the last hole is meant.
    filled = fill(page, session, hole)[-1]
    saved = page.save_mask(filled[page.session], editor(hole & False))
    assert np.array_equal(read_picture(saved).pixels[..., 0] > 127, hole)


def test_pictures_are_saved_in_their_own_depth(page, tmp_path, hole):
    path = tmp_path / "deep.png"
    pixels = np.random.default_rng(0).integers(0, 65536, (60, 80, 4), np.uint16)
    write_picture(path, Picture(pixels, "RGBA"))
    session = page.open(str(path))[page.session]
    filled = fill(page, session, hole)[-1][page.session]
    saved = page.save_picture(filled, "tif")
    assert saved.endswith("deep_filled.tif")
    after = read_picture(saved).pixels
    assert after.dtype == np.uint16
    assert np.array_equal(after[~hole], pixels[~hole])
    assert np.array_equal(after[..., 3], pixels[..., 3])
    with pytest.raises(gr.Error, match=r"16 bits per channel need .png or .tif"):
        page.save_picture(filled, "jpg")


def test_the_pencil_is_for_guided_weights(page, session, hole):
    assert not page.guided("plain", "cpu:0")["visible"]
    assert page.guided("guided", "cpu:0")["visible"]
    lines = np.eye(60, 80, k=25, dtype=bool)
    plain, guided, unguided = (
        fill(page, session, hole, sketch, weights=weights)[-1][page.session].current.picture.pixels
        for weights, sketch in (("plain", lines), ("guided", lines), ("guided", None))
    )
    assert np.array_equal(plain, unguided)  # the noise is of what is given
    assert not np.array_equal(guided, unguided)


def test_what_is_painted_stays_when_something_else_is_done(page, session, hole):
    other, lines = np.roll(hole, 9, axis=0), np.eye(60, 80, dtype=bool)
    filled = fill(page, session, hole)[-1][page.session]
    seen = page.move(-1, filled, editor(other), editor(lines))
    assert np.array_equal(painted(seen[page.hole]), hole)
    seen = page.move(1, seen[page.session], None, None)
    assert np.array_equal(painted(seen[page.hole]), other)
    assert np.array_equal(painted(seen[page.sketch]), lines)
    seen = page.change_hole("Clear", seen[page.session], None, editor(lines | other), 1)
    assert np.array_equal(painted(seen[page.sketch]), lines | other)
    # The last hole is that which was filled, whatever is painted on the picture before.
    back = page.move(-1, seen[page.session], editor(hole & False), None)[page.session]
    again = page.move(1, page.jump(back, editor(other), None, select(0))[page.session], None, None)
    assert np.array_equal(again[page.session].asked.hole, hole)


def test_holes_that_are_too_thin_to_be_seen(page, tmp_path):
    path, mask = tmp_path / "wide.png", tmp_path / "line.png"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 5000, 3), np.uint8)
    write_picture(path, Picture(pixels, "RGB"))
    line = np.zeros((40, 5000), bool)
    line[20, 100:4000] = True
    write_picture(mask, Picture(line[..., None] * np.uint8(255), "L"))
    session = page.open(str(path))[page.session]
    seen = page.open_mask(session, None, None, str(mask))
    assert painted(seen[page.hole]).any()
    filled = fill(page, seen[page.session], painted(seen[page.hole]))[-1]
    after = filled[page.session].current.picture.pixels
    assert np.array_equal(after[~line], pixels[~line])
    assert (after[line] != pixels[line]).any(axis=-1).mean() > 0.9


def test_strokes_that_erase_the_hole_fill_nothing(page, session, hole):
    how = tuple(HOW.values())
    assert list(page.fill_stroke(session, editor(hole & False), None, *how)) == []
    assert list(page.fill_stroke(None, None, None, *how)) == []
    filled = list(page.fill_stroke(session, editor(hole), None, *how, no_progress))
    assert len(filled) == 2
    # Nor does taking a fill back, which paints the hole again.
    back = page.move(-1, filled[1][page.session], None, None)[page.session]
    assert list(page.fill_stroke(back, editor(hole), None, *how)) == []


def test_what_cannot_be_is_said_on_the_page(page, session, hole, tmp_path):
    with pytest.raises(gr.Error, match="open a picture first"):
        fill(page, None, hole)
    with pytest.raises(gr.Error, match="paint over what is to be filled first"):
        fill(page, session, hole & False)
    with pytest.raises(gr.Error, match="covers the whole picture"):
        fill(page, session, hole | True)
    with pytest.raises(gr.Error, match="paint over what is to be filled first"):
        page.save_mask(session, None)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(gr.Error, match=r"text\.png"):
        page.open(str(text))
    large = tmp_path / "large.png"
    write_picture(large, Picture(np.zeros((1001, 1000, 1), np.uint8), "L"))
    with pytest.raises(gr.Error, match="1000x1001 pixels, and this page takes 1 million"):
        page.open(str(large))
    with pytest.raises(gr.Error, match="1000x1001 pixels, and this page takes 1 million"):
        page.open_mask(session, None, None, str(large))
    write_picture(large, Picture(np.zeros((9, 10, 1), np.uint8), "L"), force=True)
    with pytest.raises(gr.Error, match="the mask is 10x9 but the picture is 80x60"):
        page.open_mask(session, None, None, str(large))


def test_programs_can_fill(address, picture_file, hole, tmp_path):
    mask = tmp_path / "mask.png"
    write_picture(mask, Picture(hole[..., None] * np.uint8(255), "L"))
    client = Client(address, verbose=False, download_files=tmp_path / "downloads")
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert list(named) == ["/fill"]
    files = {"picture": handle_file(picture_file), "mask": handle_file(mask), "sketch": None}
    filled = client.predict(**files, **HOW, file_format="png", api_name="/fill")
    before, after = read_picture(picture_file).pixels, read_picture(filled).pixels
    assert np.array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any(axis=-1).mean() > 0.9
    write_picture(mask, Picture(np.zeros((1, 1, 1), np.uint8), "L"), force=True)
    files["mask"] = handle_file(mask)
    with pytest.raises(AppError, match=r"the mask is 1x1 but the picture is 80x60"):
        client.predict(**files, **HOW, file_format="png", api_name="/fill")


def test_several_at_once_get_their_own(address, tmp_path, hole):
    mask = tmp_path / "mask.png"
    write_picture(mask, Picture(hole[..., None] * np.uint8(255), "L"))

    def fill_one(number):
        pixels = np.full((60, 80, 3), 50 * number, np.uint8)
        path = tmp_path / f"{number}.png"
        write_picture(path, Picture(pixels, "RGB"))
        client = Client(address, verbose=False, download_files=tmp_path / f"downloads{number}")
        files = {"picture": handle_file(path), "mask": handle_file(mask), "sketch": None}
        filled = client.predict(**files, **HOW, file_format="png", api_name="/fill")
        return Path(filled).name, read_picture(filled).pixels, pixels

    with ThreadPoolExecutor(4) as pool:
        for number, (name, after, before) in enumerate(pool.map(fill_one, range(4))):
            assert name == f"{number}_filled.png"
            assert np.array_equal(after[~hole], before[~hole])
            assert np.any(after[hole] != before[hole])
