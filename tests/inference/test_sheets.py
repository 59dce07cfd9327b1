from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.inference.drawing import fitted_size, grid, heat, labelled, outlined, resized, row
from jax_inpaint.inference.explanation import Explanation, Gates, Known, LayerMap, trace_attention
from jax_inpaint.inference.sheets import (
    SHEETS,
    explanation_pictures,
    explanation_sheets,
    place_colours,
    spread,
)
from jax_inpaint.models.gated_unet import GatedUNetConfig


def example(height, width, looking=True):
    """An explanation of noise, as a generator with gates, partial convolutions and attention."""
    random = np.random.default_rng(0)

    def picture():
        return random.uniform(-1, 1, (height, width, 3)).astype(np.float32)

    def layer_map(stride):
        size = (-(-height // stride), -(-width // stride))
        values = random.uniform(0.4, 0.6, size).astype(np.float32)
        return LayerMap(values, np.float32(0.45), np.float32(0.55), stride)

    hole = np.zeros((height, width), bool)
    hole[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = True
    blocks = (-(-height // 8), -(-width // 8))
    offsets = np.zeros((*blocks, 2), np.int32)
    if looking:
        offsets[:] = blocks - np.indices(blocks).transpose(1, 2, 0) - 1
    return Explanation(
        architecture="noise",
        image=picture(),
        hole=hole,
        stages={"coarse": 3 * picture(), "composite": picture()},
        gates=tuple(
            Gates(f"layer/conv{n}_downsample", layer_map(n), layer_map(n), np.int32(3))
            for n in (1, 2, 4)
        ),
        known=(Known("enc1", layer_map(2)),),
        attention=trace_attention(offsets, 8 * blocks[0], hole),
    )


@pytest.mark.parametrize("looking", [True, False])
@pytest.mark.parametrize("size", [(2, 1), (9, 14), (700, 500), (400, 24)])
def test_sheets_of_any_picture_are_as_large_as_a_screen(size, looking):
    sheets = explanation_sheets(example(*size, looking))
    assert tuple(sheets) == SHEETS
    for name, pixels in sheets.items():
        assert pixels.dtype == np.uint8, name
        assert 150 < pixels.shape[0] < 800, name
        assert 150 < pixels.shape[1] < 1700, name
        assert (pixels[:4] == 255).all(), name  # margin
        assert pixels.std() > 10, name


def test_what_a_generator_doesn_t_have_isn_t_drawn():
    bare = replace(example(16, 16), gates=(), known=(), attention=None)
    assert list(explanation_sheets(bare)) == ["stages"]


def test_pictures_for_a_generator_in_training():
    config = GatedUNetConfig(width=2)
    image, hole = np.zeros((24, 32, 3), np.float32), np.zeros((24, 32), bool)
    batch = jnp.asarray(image[None])
    variables = config.build().init(jax.random.key(0), batch, batch[..., :1])
    assert explanation_pictures(config, variables, image, hole) == {}
    hole[5:14, 8:19] = True
    pictures = explanation_pictures(config, variables, image, hole)
    assert list(pictures) == ["stages", "gates"]


def test_pixels_under_the_hole_are_not_shown():
    explanation = example(40, 60)
    covered = np.where(explanation.hole[..., None], np.float32(0.123), explanation.image)
    others = explanation_sheets(replace(explanation, image=covered))
    for name, pixels in explanation_sheets(explanation).items():
        np.testing.assert_array_equal(pixels, others[name], name)


def test_a_picture_keeps_its_proportions_and_means():
    assert fitted_size((40, 80), 20) == (10, 20)
    assert fitted_size((3, 900), 30) == (1, 30)
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_allclose(resized(values, (2, 2)), [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(resized(values, (8, 12)), values.repeat(2, 0).repeat(3, 1))


def test_the_outline_is_the_edge_of_the_hole():
    hole = np.zeros((6, 6), bool)
    hole[1:5, 1:6] = True
    pixels = outlined(np.zeros((12, 12, 3), np.uint8), hole)
    white = pixels.all(axis=-1)
    expected = np.zeros((12, 12), bool)
    expected[2:10, 2:12] = True
    expected[3:9, 3:12] = False
    # The border of the picture is no edge.
    np.testing.assert_array_equal(white, expected)


def test_heat_runs_over_its_scale_and_stays_at_its_ends():
    colours = heat(np.array([[0.1, 0.2, 0.5, 0.8, 0.9]]), (0.2, 0.8))[0].astype(int)
    np.testing.assert_array_equal(colours[0], colours[1])
    np.testing.assert_array_equal(colours[3], colours[4])
    luma = colours @ [0.299, 0.587, 0.114]
    assert luma[1] < luma[2] < luma[3]


def test_pictures_stand_beside_and_below_each_other():
    black = np.zeros((4, 6, 3), np.uint8)
    assert row([black, black[:2]]).shape == (4, 6 + 8 + 6, 3)
    assert grid([black] * 5, width=35).shape == (2 * 4 + 8, 3 * 6 + 2 * 8, 3)
    titled = labelled(black, "a long title")
    assert titled.shape[1] > 50
    np.testing.assert_array_equal(titled[-4:, :6], black)
    assert (titled[:-4] < 128).any()


def test_every_place_has_its_own_colour():
    colours = place_colours((30, 40))
    assert colours.min() >= 0
    assert colours.max() <= 255
    steps = [np.abs(np.diff(colours, axis=axis)).sum(axis=-1).min() for axis in (0, 1)]
    assert min(steps) > 1
    flat = colours[::6, ::8].reshape(-1, 3)
    distance = np.linalg.norm(flat[:, None] - flat, axis=-1)
    assert distance[~np.eye(len(flat), dtype=bool)].min() > 15


def test_points_are_spread_over_all_of_them():
    points = np.argwhere(np.ones((5, 9)))
    chosen = spread(points, 5).tolist()
    assert chosen[0] == [2, 4]
    assert sorted(chosen[1:]) == [[0, 0], [0, 8], [4, 0], [4, 8]]
    assert len(spread(points[:3], 5)) == 3
    assert spread(points[:0], 5).shape == (0, 2)
