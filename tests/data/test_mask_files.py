import numpy as np
import pytest
from PIL import Image

from jax_inpaint.data.mask_files import MaskFiles, training_mask
from jax_inpaint.data.sources import DataError
from jax_inpaint.images import ImageFileError


def hole(height=24, width=32):
    mask = np.zeros((height, width), bool)
    mask[3:9, 5:20] = True
    mask[-2, -2] = True
    return mask


def save(path, mask, mode="L", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).convert(mode).save(path, **options)


def test_masks_come_in_the_order_of_their_paths_from_all_folders(tmp_path):
    for number, name in enumerate(["b.png", "a/z.jpg", "a/c.PNG", ".hidden.png", "notes.txt"]):
        if name.endswith("txt"):
            (tmp_path / name).write_text("no mask")
        else:
            save(tmp_path / name, np.arange(64).reshape(8, 8) < number)
    masks = MaskFiles(str(tmp_path))
    assert len(masks) == 3
    assert [masks.name(i) for i in range(3)] == ["a/c.PNG", "a/z.jpg", "b.png"]
    assert masks[0].sum() == 2
    assert masks[2].sum() == 0


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "RGBA"])
def test_bright_pixels_are_hole_in_any_kind_of_picture(tmp_path, mode):
    save(tmp_path / "mask.png", hole(), mode)
    mask = MaskFiles(str(tmp_path))[0]
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, hole())


def test_the_noise_of_a_jpeg_isnt_hole(tmp_path):
    mask = np.zeros((64, 64), bool)
    mask[20:45, 10:50] = True
    save(tmp_path / "mask.jpg", mask, quality=60)
    assert len(np.unique(Image.open(tmp_path / "mask.jpg"))) > 2
    np.testing.assert_array_equal(MaskFiles(str(tmp_path))[0], mask)


def test_mid_grey_is_known(tmp_path):
    grey = np.array([[126, 127, 128, 129]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(MaskFiles(str(tmp_path))[0], [[False, False, True, True]])


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        MaskFiles(str(tmp_path / "none"))
    with pytest.raises(DataError, match="no pictures"):
        MaskFiles(str(tmp_path))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    masks = MaskFiles(str(tmp_path))
    with pytest.raises(ImageFileError, match=r"broken\.png"):
        masks[0]
    with pytest.raises(IndexError):
        masks[1]


def test_a_training_mask_is_the_nearest_pixels_at_the_size_asked_for():
    mask = hole()
    same = training_mask(mask, (24, 32))
    assert same.shape == (24, 32, 1)
    assert same.dtype == np.uint8
    np.testing.assert_array_equal(same[..., 0], mask)
    np.testing.assert_array_equal(
        training_mask(mask, (72, 64))[..., 0], mask.repeat(3, axis=0).repeat(2, axis=1)
    )
    np.testing.assert_array_equal(training_mask(mask, (8, 32))[..., 0], mask[1::3])
    assert set(np.unique(training_mask(mask, (17, 23)))) == {0, 1}


def test_masks_are_turned_and_mirrored_in_all_eight_ways_alike():
    mask = hole(16, 16)
    ways = [np.rot90(side, turns) for side in (mask, mask[:, ::-1]) for turns in range(4)]
    rng = np.random.default_rng(0)
    counts = np.zeros(8)
    for _ in range(800):
        found = training_mask(mask, (16, 16), rng)[..., 0]
        counts += [np.array_equal(found, way) for way in ways]
    assert counts.sum() == 800
    assert np.all(np.abs(counts - 100) < 50)


def test_the_generator_decides_everything():
    first, again = (
        [training_mask(hole(), (20, 28), rng) for _ in range(5)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    np.testing.assert_array_equal(first, again)
