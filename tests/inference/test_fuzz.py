"""Bad input of every kind: a clear error or a right result, and nothing else."""

import io
import json
import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from jax_inpaint.errors import UserError
from jax_inpaint.images import (
    ImageFileError,
    MaskOptions,
    Picture,
    read_hole,
    read_picture,
    write_picture,
)
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.network import Network
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from tests.inference.test_inpainter import make

QUICK = settings(
    max_examples=int(os.environ.get("JAX_INPAINT_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SIDES = st.one_of(st.integers(1, 40), st.sampled_from([1, 2, 7, 8, 63, 129, 500]))
SIZES = st.one_of(
    st.tuples(SIDES, SIDES), st.sampled_from([(1, 1), (5000, 10), (10, 5000), (1, 3000), (700, 1)])
)
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "HSV", "I", "F", "I;16", "YCbCr", "LAB"]
DTYPES = st.sampled_from(
    [np.uint8, np.uint16, np.float16, np.float32, np.float64, np.int32, np.int64, bool, complex]
)


@pytest.fixture(scope="module")
def inpainter():
    """A network that draws mid-grey, checking what it is shown."""
    patch = pytest.MonkeyPatch()

    def draw(self, images, holes, *, sketches=None, guesses=None, outputs=("final",)):
        for image, hole in zip(images, holes, strict=True):
            assert image.shape == (*hole.shape, 3)
            assert np.isfinite(image[~hole]).all()
            assert np.abs(image[~hole]).max(initial=0) <= 1
        return [{name: np.zeros_like(image) for name in outputs} for image in images]

    patch.setattr(Network, "__call__", draw)
    yield Inpainter(*make(DeepFillV2Config(width=4)), working_size=64)
    patch.undo()


@st.composite
def arrays(draw, channels):
    shape = draw(SIZES)
    count = draw(channels)
    shape = shape if count is None else (*shape, count)
    dtype = draw(DTYPES)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.random(shape)
    kind = np.dtype(dtype).kind
    if kind in "iu":
        values = values * draw(st.sampled_from([1.99, 255.99, 65535, 1e9]))
        values = np.minimum(values, np.iinfo(dtype).max)
    if kind == "f":
        values = values * draw(st.sampled_from([1, 1, 1, 255, -1]))
        for special in draw(st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), max_size=1)):
            values.flat[rng.integers(values.size)] = special
    if kind == "b":
        values = values < draw(st.sampled_from([0.0, 0.01, 0.5, 1.1]))
    return values.astype(dtype)


@QUICK
@given(
    image=arrays(st.sampled_from([None, 1, 2, 3, 4, 5])),
    mask=arrays(st.sampled_from([None, None, None, 1, 3])),
    same_size=st.sampled_from([True, True, True, False]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "strategy": st.sampled_from(["auto", "original", "resize", "crop", "refine"]),
            "blend": st.sampled_from(["none", "feather", "poisson"]),
            "band": st.sampled_from([None, 1, 20]),
            "grow": st.integers(-3, 3),
            "working_size": st.sampled_from([None, 32, 100]),
        },
    ),
)
def test_arrays_of_any_shape_and_type(inpainter, image, mask, same_size, options):
    if same_size:
        mask = np.resize(mask, (*image.shape[:2], *mask.shape[2:]))
    with warnings.catch_warnings(action="ignore"):
        try:
            filled = inpainter(image, mask, **options)
        except UserError:
            return
    changed = (np.asarray(filled) != image) & ~(np.isnan(filled) & np.isnan(image))
    changed = changed.reshape(*image.shape[:2], -1).any(axis=-1)
    assert filled.shape == image.shape
    assert filled.dtype == image.dtype
    if options.get("grow", 0) <= 0:
        # White, over one half, or true: nothing else may have changed.
        flat = mask.reshape(*mask.shape[:2], -1).astype(float).mean(axis=-1)
        dark = flat <= (0 if mask.max() <= 1 and mask.dtype.kind in "iub" else flat.max() / 8)
        assert not changed[dark].any()


FORMATS = {
    "png": {},
    "jpg": {"quality": 90},
    "webp": {"lossless": True},
    "tif": {"compression": "tiff_lzw"},
    "bmp": {},
    "gif": {},
}


def encoded(name, mode="RGB"):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    pixels = np.random.default_rng(0).integers(0, 256, (24, 33, 3), np.uint8)
    buffer = io.BytesIO()
    more = {"exif": exif} if name in ("png", "jpg", "webp") else {}
    image = Image.fromarray(pixels).convert(mode)
    file_format = {"jpg": "JPEG", "tif": "TIFF"}.get(name, name.upper())
    image.save(buffer, file_format, **FORMATS[name], **more)
    return buffer.getvalue()


@pytest.mark.parametrize("name", FORMATS)
@QUICK
@given(data=st.data())
def test_damaged_files(tmp_path, name, data):
    content = bytearray(encoded(name))
    for _ in range(data.draw(st.integers(0, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(content), len(content), data.draw(st.integers(0, 900))]))
    path = tmp_path / f"in.{name}"
    path.write_bytes(content[:cut])
    with warnings.catch_warnings(action="ignore"):
        try:
            picture = read_picture(path)
        except ImageFileError:
            return
        # What can be read can be written, with all that it carries.
        for suffix in (".png", ".tif", ".webp", ".jpg"):
            out = (tmp_path / "out").with_suffix(suffix)
            try:
                write_picture(out, picture, force=True)
            except ImageFileError as error:  # transparency in a JPEG, a long side in a WebP
                refused = ("transparency needs" in str(error)) or ("takes sides of" in str(error))
                assert refused
                continue
            again = read_picture(out)
            assert again.size == picture.size
            if suffix in (".png", ".tif"):
                np.testing.assert_array_equal(again.pixels, picture.pixels)


@pytest.mark.parametrize("name", ["png", "tif", "bmp", "webp", "gif", "jpg"])
def test_huge_claimed_sizes(tmp_path, name):
    """Every four bytes of the header in turn claim a hundred thousand pixels."""
    content = encoded(name)
    path = tmp_path / f"in.{name}"
    for position in range(min(len(content) - 4, 200)):
        for order in ("little", "big"):
            claim = (100_000).to_bytes(4, order)
            path.write_bytes(content[:position] + claim + content[position + 4 :])
            with warnings.catch_warnings(action="ignore"):
                try:
                    picture = read_picture(path)
                except ImageFileError:
                    continue
            assert max(picture.size) <= 100_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "shapes",
                    "annotations",
                    "images",
                    "points",
                    "shape_type",
                    "segmentation",
                    "bbox",
                    "counts",
                    "size",
                    "id",
                    "image_id",
                    "file_name",
                    "height",
                    "imageHeight",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@QUICK
@given(content=JSON, within=st.sampled_from(["", "shapes", "annotations"]))
def test_any_json(tmp_path, content, within):
    path = tmp_path / "mask.json"
    path.write_text(json.dumps({within: content} if within else content))
    try:
        hole = read_hole(path, size=(20, 30))
    except ImageFileError:
        return
    assert (hole.shape, hole.dtype) == ((20, 30), bool)


SHAPES = st.lists(
    st.fixed_dictionaries(
        {
            "points": st.lists(
                st.tuples(st.floats(allow_nan=True), st.floats(-50, 50)), max_size=5
            ),
            "shape_type": st.sampled_from(["polygon", "rectangle", "circle", "line"]),
        }
    ),
    max_size=3,
)


@QUICK
@given(shapes=SHAPES)
def test_any_shapes(tmp_path, shapes):
    path = tmp_path / "mask.json"
    path.write_text(json.dumps({"shapes": shapes}))
    try:
        hole = read_hole(path, size=(20, 30))
    except ImageFileError:
        return
    assert (hole.shape, hole.dtype) == ((20, 30), bool)


@QUICK
@given(
    segmentation=st.one_of(
        st.fixed_dictionaries({"size": st.just([20, 30]), "counts": st.text(max_size=30)}),
        st.fixed_dictionaries(
            {"size": st.just([20, 30]), "counts": st.lists(st.integers(-5, 700), max_size=5)}
        ),
        st.lists(st.lists(st.floats(-50, 50), max_size=9), max_size=3),
    ),
    box=st.lists(st.floats(), max_size=5),
)
def test_any_annotations(tmp_path, segmentation, box):
    path = tmp_path / "mask.json"
    content = {"annotations": [{"segmentation": segmentation, "bbox": box}]}
    path.write_text(json.dumps(content))
    try:
        hole = read_hole(path, MaskOptions(invert=True), (20, 30))
    except ImageFileError:
        return
    assert (hole.shape, hole.dtype) == ((20, 30), bool)


@QUICK
@given(
    size=SIZES,
    mode=st.sampled_from(MODES),
)
def test_images_of_pillow_of_any_mode(inpainter, size, mode):
    image = Image.new(mode, size[::-1])
    hole = np.zeros(size, bool)
    hole.flat[: max(1, hole.size // 3)] = True
    with warnings.catch_warnings(action="ignore"):
        try:
            filled = inpainter(image, hole)
        except UserError:
            unsupported = hole.all() or mode in ("I", "F")
            assert unsupported
            return
    assert filled.size == image.size
    assert not isinstance(filled, Picture)
