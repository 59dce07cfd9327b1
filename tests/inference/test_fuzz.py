"""Bad input of every kind: a clear error or a right result, and nothing else.

Of files, benchmarks/fuzz has more, and tests/test_fuzzing.py.
"""

import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.fuzz.pictures import whole_pictures
from jax_inpaint.errors import UserError
from jax_inpaint.images import ImageFileError, Picture, read_picture
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


@pytest.mark.parametrize(
    "name", ["png with everything", "tiff tiff_lzw", "bmp", "webp", "gif", "jpeg", "avif"]
)
def test_huge_claimed_sizes(tmp_path, name):
    """Every four bytes of the header in turn claim a hundred thousand pixels."""
    content = whole_pictures()[name]
    path = tmp_path / "in"
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
