import jax
import numpy as np
import pytest

from jax_inpaint.images import Picture
from jax_inpaint.inference import network
from jax_inpaint.inference.inpainter import Inpainter, Task, check_hole
from jax_inpaint.inference.network import FillError
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import save_weights

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
KINDS = [(mode, np.uint8) for mode in CHANNELS] + [
    (mode, np.uint16) for mode in ("L", "LA", "RGB", "RGBA")
]


def noise(height, width, mode="RGB", dtype=np.uint8, seed=0):
    shape = (height, width, CHANNELS[mode])
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)
    return Picture(pixels, mode)


def make(config, seed=0):
    image, mask = np.zeros((1, 16, 16, 3), np.float32), np.zeros((1, 16, 16, 1), np.float32)
    sketch = mask if config.sketch else None
    shapes = jax.eval_shape(config.build().init, jax.random.key(0), image, mask, sketch)
    random = np.random.default_rng(seed)
    params = jax.tree.map(
        lambda leaf: random.normal(0, 0.3, leaf.shape).astype(np.float32), shapes["params"]
    )
    return config, {"params": params, "batch_stats": {}}


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(*make(DeepFillV2Config(width=4)))


def random_hole(height, width):
    hole = np.random.default_rng(3).random((height, width)) < 0.5
    hole.flat[0], hole.flat[-1] = True, False
    return hole


@pytest.mark.parametrize(
    "mode_and_dtype", KINDS, ids=lambda kind: f"{kind[0]}{8 * kind[1]().nbytes}"
)
@pytest.mark.parametrize("size", [(1, 2), (2, 1), (3, 16), (8, 9), (7, 11)])
def test_any_size_and_kind_is_filled_in_the_hole_only(inpainter, size, mode_and_dtype):
    mode, dtype = mode_and_dtype
    picture, hole = noise(*size, mode, dtype), random_hole(*size)
    before = picture.pixels.copy()
    filled = inpainter(picture, hole)
    assert filled.pixels.shape == before.shape
    assert (filled.mode, filled.pixels.dtype) == (mode, dtype)
    assert np.array_equal(picture.pixels, before)
    assert np.array_equal(filled.pixels[~hole], before[~hole])
    assert (filled.pixels[hole] != before[hole]).any(axis=-1).mean() > 0.5
    if mode in ("LA", "RGBA"):
        assert np.array_equal(filled.pixels[..., -1], before[..., -1])


@pytest.mark.parametrize("size", [(8, 16), (7, 16), (8, 9), (5, 11), (1, 9), (2, 13)])
def test_a_picture_is_filled_as_its_reflection_padded_to_multiples_of_8(inpainter, size):
    picture, hole = noise(*size), random_hole(*size)
    padding = ((0, 8 - size[0]), (0, 16 - size[1]))
    padded = Picture(np.pad(picture.pixels, (*padding, (0, 0)), mode="reflect"), "RGB")
    expected = inpainter(padded, np.pad(hole, padding, mode="reflect"))
    found = inpainter(picture, hole)
    assert np.array_equal(found.pixels, expected.pixels[: size[0], : size[1]])


def test_what_the_hole_covered_doesn_t_matter_and_what_surrounds_it_does(inpainter):
    picture, hole = noise(8, 16), np.zeros((8, 16), bool)
    hole[2:6, 3:9] = True
    filled = inpainter(picture, hole)
    other = noise(8, 16, seed=1)
    covered = picture.filled(other.rgb(), hole)
    assert np.array_equal(inpainter(covered, hole).pixels, filled.pixels)
    surrounded = picture.filled(other.rgb(), ~hole)
    assert not np.array_equal(inpainter(surrounded, hole).pixels[hole], filled.pixels[hole])


def test_grey_is_filled_as_the_same_colours(inpainter):
    grey, hole = noise(8, 16, "L"), random_hole(8, 16)
    colours = Picture(grey.pixels.repeat(3, axis=-1), "RGB")
    luma = inpainter(colours, hole).pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(inpainter(grey, hole).pixels[..., 0] - luma).max() <= 1.01


def test_a_model_with_a_sketch_channel_fills_without_a_sketch():
    picture, hole = noise(7, 6), random_hole(7, 6)
    filled = Inpainter(*make(DeepFillV2Config(width=4, sketch=True)))(picture, hole)
    assert np.array_equal(filled.pixels[~hole], picture.pixels[~hole])
    assert not np.array_equal(filled.pixels[hole], picture.pixels[hole])


def test_loaded_weights_fill_as_those_in_memory(inpainter, tmp_path):
    config, variables = make(DeepFillV2Config(width=4))
    save_weights(tmp_path / "weights.safetensors", config, variables)
    loaded = Inpainter.load(tmp_path)
    picture, hole = noise(8, 8), random_hole(8, 8)
    assert loaded.config == config
    assert np.array_equal(loaded(picture, hole).pixels, inpainter(picture, hole).pixels)


# What can't be filled


@pytest.mark.parametrize(
    ("hole", "message"),
    [
        (np.ones((6, 5), bool), "the mask is 5x6 but the picture is 6x5"),
        (np.ones((5, 7), bool), "the mask is 7x5 but the picture is 6x5"),
        (np.zeros((5, 6), bool), "the mask has no hole: paint white"),
        (np.ones((5, 6), bool), "the mask covers the whole picture"),
    ],
)
def test_a_hole_that_doesn_t_fit_is_explained(inpainter, hole, message):
    with pytest.raises(FillError, match=message):
        check_hole(hole, (5, 6))
    with pytest.raises(FillError, match=message):
        inpainter.fill([Task(noise(5, 6), hole)])


def test_a_picture_for_which_memory_does_not_suffice_is_refused(monkeypatch):
    inpainter = Inpainter(*make(DeepFillV2Config(width=4)))
    monkeypatch.setattr(network, "memory_of", lambda device: 500_000)
    picture, hole = noise(64, 128), random_hole(64, 128)
    with pytest.raises(FillError, match=r"a picture of 128x64 needs .* GiB at once, this machine"):
        inpainter(picture, hole)
    inpainter(picture, hole, strategy="resize", working_size=32)


def test_the_memory_of_this_machine_takes_a_photograph():
    assert 2**28 < network.memory_of(jax.devices()[0]) < 2**50


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.", FillError),
        ("INTERNAL: a bug", jax.errors.JaxRuntimeError),
    ],
)
def test_only_running_out_of_memory_becomes_a_message(message, expected, monkeypatch):
    def run(*arguments, **more):
        raise jax.errors.JaxRuntimeError(message)

    monkeypatch.setattr(network.Network, "_program", lambda *_: run)
    inpainter = Inpainter(*make(DeepFillV2Config(width=4)))
    with pytest.raises(expected, match=r"too little free memory for a picture of 9x7|a bug"):
        inpainter(noise(7, 9), random_hole(7, 9))


def test_blending_moves_the_fill_towards_the_colours_around_it(inpainter):
    picture, hole = noise(32, 48, "RGB"), np.zeros((32, 48), bool)
    hole[8:24, 10:30] = True
    plain, blended = inpainter(picture, hole), inpainter(picture, hole, blend="poisson")
    np.testing.assert_array_equal(plain.pixels[~hole], blended.pixels[~hole])
    assert np.abs(plain.rgb() - blended.rgb())[hole].max() > 0.05
