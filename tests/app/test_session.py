import numpy as np
import pytest

from jax_inpaint.app.session import REMEMBERED, SHOWN, Session, Version, repainted, scaled_mask
from jax_inpaint.images import ImageFileError, Picture, write_picture

RNG = np.random.default_rng(0)


def picture(height, width):
    return Picture(RNG.integers(0, 256, (height, width, 3), np.uint8), "RGB")


def session(height=20, width=30):
    return Session("photo.png", (Version.of(picture(height, width)),))


def test_opened(tmp_path):
    path = tmp_path / "photo.png"
    original = picture(5, 7)
    write_picture(path, original)
    opened = Session.opened(path, 35)
    assert opened.name == "photo.png"
    assert np.array_equal(opened.current.picture.pixels, original.pixels)
    assert not opened.current.hole.any()
    with pytest.raises(ImageFileError, match=r"7x5 pixels, and this page takes 3\.4e-05 million"):
        Session.opened(path, 34)
    with pytest.raises(ImageFileError, match="no such file"):
        Session.opened(tmp_path / "other.png", 34)


def test_small_pictures_are_shown_as_they_are():
    version = session().current
    shown = version.smaller()
    assert np.array_equal(shown.picture.pixels, version.picture.pixels)


def test_large_ones_are_shown_smaller():
    version = Version.of(picture(30, 3 * SHOWN))
    version.hole[:15] = True
    shown = version.smaller()
    assert shown.picture.size == (10, SHOWN) == shown.hole.shape == shown.sketch.shape
    assert shown.hole[:5].all()
    assert not shown.hole[5:].any()


def test_what_is_painted_on_a_smaller_picture_comes_back_larger():
    mask = np.zeros((40, 60), bool)
    painted = np.zeros((20, 30), bool)
    painted[5:10, 5:10] = True
    assert np.array_equal(scaled_mask(repainted(mask, painted), (20, 30)), painted)


def test_what_is_not_touched_stays_fine():
    fine = np.zeros((40, 60), bool)
    fine[3::4, 3:30:4] = True  # too thin for the smaller picture
    fine[20:30, 40:50] = True
    painted = scaled_mask(fine, (20, 30))
    assert np.array_equal(repainted(fine, painted), fine)
    painted[0:2, 20:30] = True
    painted[10:15, 20:23] = False  # erases half of the block
    after = repainted(fine, painted)
    assert np.array_equal(after[4:20, :40], fine[4:20, :40])
    assert after[:4, 42:].all()
    assert not after[20:30, 40:45].any()
    assert after[20:30, 47:50].all()


def test_paint_of_the_same_size_is_taken_as_it_is():
    before, painted = RNG.random((2, 9, 11)) > 0.5
    assert np.array_equal(repainted(before, painted), painted)


def test_fills_can_be_taken_back_and_done_again():
    start = session()
    start = start.painted(np.ones((20, 30), bool), np.eye(20, 30, dtype=bool))
    first = start.filled(picture(20, 30))
    assert (first.at, len(first.versions)) == (1, 2)
    assert not first.current.hole.any()
    back = first.moved(0)
    assert back.current.hole.all()
    assert back.current.sketch.sum() == 20
    assert back.moved(-3) == back
    assert back.moved(9).current is first.current
    other = back.filled(picture(20, 30))
    assert len(other.versions) == 2
    assert other.current is not first.current


def test_asked_is_the_last_hole_until_another_is_painted():
    start = session().painted(np.eye(20, 30, dtype=bool))
    filled = start.filled(picture(20, 30))
    assert np.array_equal(filled.asked.hole, np.eye(20, 30, dtype=bool))
    again = filled.with_hole(np.ones((20, 30), bool))
    assert again.asked is again.current
    assert session().asked.hole.sum() == 0


def test_the_original_is_remembered_longest():
    now = session()
    original = now.current
    for _ in range(2 * REMEMBERED):
        now = now.filled(picture(20, 30))
    assert len(now.versions) == REMEMBERED
    assert now.versions[0] is original
    assert now.at == REMEMBERED - 1


def test_large_pictures_are_remembered_less_long(monkeypatch):
    now = session()
    monkeypatch.setattr("jax_inpaint.app.session.MOST_BYTES", 4 * now.current.bytes)
    for _ in range(6):
        now = now.filled(picture(20, 30))
    assert len(now.versions) == 4
    assert all(version.before is None or version.before.before is None for version in now.versions)


def test_what_is_thin_is_still_seen():
    line = np.zeros((40, 400), bool)
    line[20] = True
    assert scaled_mask(line, (10, 100)).sum() == 100
    assert not scaled_mask(~line, (10, 100)).all()
