"""Pictures and masks of every kind that people hold, filled and given back as they came."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jax_inpaint.images import ImageFileError, Picture, write_picture
from jax_inpaint.inference.inpainter import FillWarning, Inpainter, Task
from jax_inpaint.inference.kinds import as_hole, as_picture
from jax_inpaint.inference.network import FillError
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from tests.inference.test_inpainter import make

SIZE = (13, 22)
PIXELS = np.random.default_rng(0).integers(0, 256, (*SIZE, 4), np.uint8)
HOLE = np.zeros(SIZE, bool)
HOLE[3:9, 5:12] = True


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(*make(DeepFillV2Config(width=4)))


ARRAYS = {
    "grey": PIXELS[..., 0],
    "grey, a channel": PIXELS[..., :1],
    "grey, alpha": PIXELS[..., :2],
    "colour": PIXELS[..., :3],
    "alpha": PIXELS,
    "16 bits": PIXELS[..., :3].astype(np.uint16) * 257,
    "float32": (PIXELS[..., :3] / 255).astype(np.float32),
    "float64": PIXELS[..., :3] / 255,
    "float16": (PIXELS[..., :3] / 255).astype(np.float16),
    "JAX": jnp.asarray(PIXELS[..., :3]),
    "not contiguous": PIXELS[..., 2::-1],
}


def check(before, after, hole=HOLE):
    assert type(after) is type(before)
    before, after = np.asarray(before), np.asarray(after)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any()


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays(inpainter, kind):
    image = ARRAYS[kind]
    before = np.array(image)
    check(image, inpainter(image, HOLE))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK"])
def test_pillow_s_images(inpainter, mode):
    image = Image.fromarray(PIXELS, "RGBA" if mode != "CMYK" else mode).convert(mode)
    image.info["icc_profile"] = b"profile"
    filled = inpainter(image, HOLE)
    assert filled.mode == mode
    assert filled.info["icc_profile"] == b"profile"
    check(np.asarray(image), np.asarray(filled))


def test_files(inpainter, tmp_path):
    picture = Picture(PIXELS[..., :3], "RGB")
    write_picture(tmp_path / "a.png", picture)
    Image.fromarray(HOLE).save(tmp_path / "mask.png")
    filled = inpainter(tmp_path / "a.png", str(tmp_path / "mask.png"))
    assert isinstance(filled, Picture)
    check(picture.pixels, filled.pixels)
    filled.save(tmp_path / "filled.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "filled.png")), filled.pixels)
    with pytest.raises(ImageFileError, match="exists already"):
        filled.save(tmp_path / "filled.png")
    with pytest.raises(ImageFileError, match=r"b\.png: there is no such file"):
        inpainter(tmp_path / "b.png", HOLE)


MASKS = {
    "bool": HOLE,
    "0 and 1": HOLE.astype(np.uint8),
    "0 and 1, int64": HOLE.astype(np.int64),
    "0 to 255": HOLE.astype(np.uint8) * 255,
    "dim": HOLE.astype(np.uint8) * 28 + 110,
    "0 to 65535": HOLE.astype(np.uint16) * 65535,
    "float": HOLE.astype(np.float32),
    "a channel": HOLE[..., None],
    "colours": np.repeat(HOLE[..., None], 3, axis=-1).astype(np.uint8) * 255,
    "Pillow": Image.fromarray(HOLE),
    "JAX": jnp.asarray(HOLE),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind_mean_the_same(inpainter, kind):
    image = ARRAYS["colour"]
    np.testing.assert_array_equal(inpainter(image, MASKS[kind]), inpainter(image, HOLE))


def test_lists_of_any_sizes_and_kinds(inpainter):
    small = np.ascontiguousarray(PIXELS[:9, :20, :3])
    images = [ARRAYS["colour"], Image.fromarray(small), ARRAYS["16 bits"], small]
    holes = [HOLE, HOLE[:9, :20], HOLE, HOLE[:9, :20]]
    together = inpainter(images, holes)
    assert isinstance(together, list)
    for image, hole, filled in zip(images, holes, together, strict=True):
        assert type(filled) is type(image)
        np.testing.assert_array_equal(np.asarray(filled), np.asarray(inpainter(image, hole)))
    assert inpainter([], HOLE) == []


def test_batches_share_a_mask_or_have_one_each(inpainter):
    batch = np.stack([PIXELS[..., :3], PIXELS[..., 1:]])
    holes = np.stack([HOLE, HOLE[::-1]])
    for masks in (holes, holes[..., None], list(holes)):
        filled = inpainter(batch, masks)
        assert (filled.shape, filled.dtype) == (batch.shape, batch.dtype)
        for number in range(2):
            alone = inpainter(batch[number], holes[number])
            np.testing.assert_array_equal(filled[number], alone)
    assert isinstance(inpainter(jnp.asarray(batch), HOLE), jax.Array)
    for mask in (HOLE, HOLE[..., None], Image.fromarray(HOLE)):
        np.testing.assert_array_equal(inpainter(batch, mask)[1], inpainter(batch[1], HOLE))


def test_pictures_that_pass_together_come_out_as_alone(inpainter, monkeypatch):
    monkeypatch.setattr(inpainter, "together", 2)
    images = [np.roll(PIXELS[..., :3], shift, axis=0) for shift in range(5)]
    together = inpainter(images, HOLE)
    monkeypatch.setattr(inpainter, "together", 1)
    for image, filled in zip(images, together, strict=True):
        # Random weights enlarge what rounding does; few pixels may.
        different = np.abs(filled.astype(int) - inpainter(image, HOLE)) > 2
        assert different.mean() < 0.01


def test_nan_marks_what_is_not_known(inpainter):
    image = ARRAYS["float32"].copy()
    expected = inpainter(image, HOLE)
    image[HOLE] = np.nan
    np.testing.assert_array_equal(inpainter(image, HOLE), expected)
    image[0, 0] = np.nan
    with pytest.raises(FillError, match="NaN outside its hole"):
        inpainter(image, HOLE)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5, 5), np.uint8), r"shape \(4, 5, 5\), but must be \(height, width\)"),
        (np.zeros((0, 5), np.uint8), r"shape \(0, 5\)"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((4, 5), int), "values are int64, but must be uint8"),
        (np.zeros((4, 5), bool), "values are bool"),
        (np.full((4, 5), 200.0), "reach from 200 to 200; floating ones must be in"),
        (np.full((4, 5), -0.5), "reach from -0.5 to -0.5"),
        (np.full((4, 5), np.inf), "reach from inf to inf"),
        ({"image": 1}, "a picture is a dict, but must be a path"),
        (None, "a picture is a NoneType"),
    ],
)
def test_what_is_not_a_picture(image, message):
    with pytest.raises(FillError, match=message):
        as_picture(image)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 5, 3), bool), r"shape \(4, 5, 3\)"),
        (np.full((4, 5), 7), r"shape \(4, 5\) and int64 values"),
        (np.full((4, 5), -1), "int64 values"),
        (np.full((4, 5), np.nan), "NaN or infinity"),
        (np.full((4, 5), 9.0), "must be in"),
        (3, "a mask is a int"),
        (np.zeros((4, 5), bool), "no hole"),
        (np.ones((4, 5), bool), "covers the whole picture"),
        (np.ones((5, 4), bool), "the mask is 4x5 but the picture is 5x4"),
    ],
)
def test_what_is_not_a_mask(inpainter, mask, message):
    with pytest.raises(FillError, match=message):
        inpainter.fill([Task(Picture(np.zeros((4, 5, 1), np.uint8), "L"), as_hole(mask, (4, 5)))])


def test_numbers_of_masks_that_do_not_fit(inpainter):
    with pytest.raises(FillError, match="there are 2 pictures, but 3 masks"):
        inpainter([PIXELS, PIXELS], [HOLE] * 3)


def test_a_hole_of_nearly_everything_is_warned_of(inpainter):
    with pytest.warns(FillWarning, match="is the mask the wrong way round"):
        inpainter(PIXELS, np.indices(SIZE).sum(axis=0) > 3)
