import json
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.images import Picture, to_uint8
from jax_inpaint.inference import explanation as module
from jax_inpaint.inference.explanation import blocks_of, explain, summary, trace_attention
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.models import GENERATORS
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.gated_unet import GatedUNetConfig
from jax_inpaint.models.partial_unet import PartialUNetConfig
from jax_inpaint.ops.attention import contextual_attention
from tests.models.test_all import small

HEIGHT, WIDTH = 21, 30  # multiples of nothing


def lively(config, seed=0):
    """Random variables with which gates aren't all alike."""
    side = 2 * config.multiple
    image, mask = jnp.zeros((1, side, side, 3)), jnp.zeros((1, side, side, 1))
    shapes = jax.eval_shape(config.build().init, jax.random.key(0), image, mask)
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: (
            np.abs(random.normal(0, 0.4, leaf.shape)).astype(np.float32)
            * random.choice([-1, 1], leaf.shape).astype(np.float32)
        ),
        shapes,
    )


def picture_with_hole():
    pixels = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image = Picture(pixels, "RGB").rgb()
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[5:14, 8:19] = True
    return image, hole


@pytest.fixture(scope="module")
def gated():
    config = GatedUNetConfig(width=2)
    variables = lively(config)
    return config, variables, explain(config, variables, *picture_with_hole())


def test_gates_are_the_sigmoid_of_the_second_half_of_the_convolution(gated):
    _, variables, explanation = gated
    image, hole = picture_with_hole()
    size = ((0, 24 - HEIGHT), (0, 32 - WIDTH))
    mask = np.pad(hole, size, mode="reflect")[..., None]
    known = np.pad(image, (*size, (0, 0)), mode="reflect") * (1 - mask)
    params = variables["params"]["conv1"]["conv"]
    convolved = jax.lax.conv_general_dilated(
        np.concatenate([known, mask], axis=-1)[None].astype(np.float32),
        params["kernel"],
        (1, 1),
        ((2, 2), (2, 2)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )[0]
    gate = 1 / (1 + np.exp(-(np.asarray(convolved) + params["bias"])[..., 2:]))

    found = explanation.gates[0]
    assert found.layer == "conv1"
    assert found.mean.stride == 1
    np.testing.assert_allclose(found.mean.values, gate.mean(axis=-1), atol=1e-5)
    np.testing.assert_allclose(found.strongest.values, gate[..., found.channel], atol=1e-5)
    inside, outside = gate[:HEIGHT, :WIDTH][hole], gate[:HEIGHT, :WIDTH][~hole]
    np.testing.assert_allclose(found.mean.in_hole, inside.mean(), rtol=1e-5)
    np.testing.assert_allclose(found.mean.outside, outside.mean(), rtol=1e-5)
    differences = np.abs(inside.mean(axis=0) - outside.mean(axis=0))
    assert found.channel == differences.argmax()
    assert differences.max() > 1.5 * differences.min()  # it was a choice


def test_a_picture_of_any_size_is_filled_as_ever(gated):
    config, variables, explanation = gated
    image, hole = picture_with_hole()
    composite = explanation.stages["composite"]
    np.testing.assert_array_equal(composite[~hole], image[~hole])
    filled = Inpainter(config, variables)(Picture(to_uint8(image), "RGB"), hole).rgb()
    np.testing.assert_allclose(composite[hole], filled[hole], atol=0.01)
    assert list(explanation.stages) == ["output", "composite"]
    covered = explain(config, variables, np.where(hole[..., None], np.float32(0.3), image), hole)
    np.testing.assert_array_equal(covered.stages["output"], explanation.stages["output"])


def test_each_layer_s_map_has_its_own_size(gated):
    _, _, explanation = gated
    strides = {gates.layer: gates.mean.stride for gates in explanation.gates}
    assert strides == {
        "conv1": 1,
        "conv2_downsample": 2,
        "conv3_downsample": 4,
        **{f"conv{number}_atrous": 4 for number in (4, 5, 6, 7)},
        "conv8_upsample": 2,
        "conv9": 2,
        "conv10_upsample": 1,
        "conv11": 1,
    }
    for gates in explanation.gates:
        for layer_map in (gates.mean, gates.strongest):
            values = layer_map.values
            assert values.shape == (24 // layer_map.stride, 32 // layer_map.stride)
            assert 0 <= values.min() < values.max() <= 1
            assert values.min() <= layer_map.in_hole <= values.max()


def look_at_shapes(config):
    """What there is to see in a generator, as shapes; names are real."""
    side = 2 * config.multiple
    image, mask = jnp.zeros((side, side, 3)), jnp.zeros((side, side, 1))
    sketch = mask[None] if config.takes_sketch else None
    variables = jax.eval_shape(
        config.build().init, jax.random.key(0), image[None], mask[None], sketch
    )
    return jax.eval_shape(partial(module._look, config), variables, image, mask, mask, mask)


@pytest.mark.parametrize("architecture", GENERATORS)
def test_every_architecture_shows_what_it_has(architecture):
    outputs, gates, known = look_at_shapes(small(GENERATORS[architecture]))
    assert bool(gates) == (architecture in ("deepfillv2", "gated_unet", "aotgan"))
    assert bool(known) == (architecture in ("partial_unet", "partial_gan"))
    attends = architecture in ("deepfillv1", "deepfillv2", "unet_patchgan")
    assert ("offset_flow" in outputs) == attends


def test_layers_come_in_their_order():
    _, gates, _ = look_at_shapes(DeepFillV2Config(width=2, sketch=True))
    names = [layer.layer for layer in gates]
    assert names[:2] == ["coarse/conv1", "coarse/conv2_downsample"]
    numbers = {
        branch: [
            int("".join(filter(str.isdigit, name))) for name in names if name.startswith(branch)
        ]
        for branch in ("coarse/conv", "refinement/xconv", "refinement/pmconv", "refinement/allconv")
    }
    assert list(numbers.values()) == [
        list(range(1, 17)),
        list(range(1, 11)),
        [1, 2, 3, 4, 5, 6, 9, 10],
        list(range(11, 17)),
    ]
    assert len(names) == sum(map(len, numbers.values()))


def test_known_positions_are_those_whose_window_holds_a_known_pixel():
    config = PartialUNetConfig(width=2, levels=3)
    image, hole = picture_with_hole()
    hole[2:18, 3:22] = True
    explanation = explain(config, lively(config), image, hole)
    assert [layer.layer for layer in explanation.known] == [
        *(f"enc{level}" for level in (1, 2, 3)),
        *(f"dec{level}" for level in (3, 2, 1)),
    ]
    known = np.pad(~np.pad(hole, ((0, 3), (0, 2)), mode="reflect"), 3)
    expected = [
        [known[2 * i : 2 * i + 7, 2 * j : 2 * j + 7].any() for j in range(16)] for i in range(12)
    ]
    first = explanation.known[0].known
    np.testing.assert_array_equal(first.values, expected)
    assert first.stride == 2
    assert 0 < first.in_hole < 1
    assert not explanation.gates
    assert explanation.attention is None


class Copying(nn.Module):
    """Attention between the pixels of a picture itself, also those in the hole."""

    @nn.compact
    def __call__(self, image, mask, sketch=None):
        del sketch
        output, offsets = contextual_attention(image, image, mask, resampling="strided")
        composite = output * mask + image * (1 - mask)
        return {"output": output, "composite": composite, "offset_flow": offsets}


@dataclass(frozen=True)
class CopyingConfig(GeneratorConfig):
    architecture: ClassVar[str] = "copying"

    @property
    def multiple(self):
        return 2

    def build(self, axis_name=None):
        del axis_name
        return Copying()


def attention_of(image, hole):
    return explain(CopyingConfig(), {}, image, hole)


@pytest.mark.parametrize("period", [(6, 8), (8, 6)])
def test_a_hole_in_a_pattern_is_filled_from_whole_periods_away(period):
    tile = np.random.default_rng(2).uniform(-1, 1, (*period, 3)).astype(np.float32)
    image = np.tile(tile, (6, 6, 1))[:31, :34]  # padded to 32x34
    hole = np.zeros((31, 34), bool)
    hole[12:19, 11:18] = True
    explanation = attention_of(image, hole)
    attention = explanation.attention
    assert attention.rate == 2
    np.testing.assert_array_equal(attention.found, hole)
    sources = attention.sources[hole]
    moved = sources - np.argwhere(hole)
    assert (moved % period == 0).all()
    assert (moved != 0).any(axis=1).all()
    assert not hole[tuple(sources.T)].any()
    np.testing.assert_array_equal(image[tuple(sources.T)], image[hole])

    figures = summary(explanation)["attention"]
    assert json.loads(json.dumps(figures)) == figures
    assert figures["block"] == 2
    assert figures["blocks_in_hole"] == figures["looking_elsewhere"] == 4 * 4
    assert min(period) <= figures["median_distance"] <= np.hypot(31, 34)


def test_where_all_patches_touch_the_hole_there_are_no_sources():
    image, hole = picture_with_hole()
    hole[:] = True
    hole[0, 0] = False
    explanation = attention_of(image, hole)
    assert not explanation.attention.found.any()
    np.testing.assert_array_equal(explanation.attention.offsets, 0)
    np.testing.assert_array_equal(
        explanation.attention.sources, np.moveaxis(np.indices(hole.shape), 0, -1)
    )
    figures = summary(explanation)["attention"]
    assert figures["looking_elsewhere"] == figures["different_sources"] == 0
    assert figures["median_distance"] is None


def test_sources_in_the_padding_are_what_it_mirrors():
    # 6x5 padded to 8x8, blocks of 4: all look at the block below and to the right.
    offsets = np.array([[[1, 1], [1, 0]], [[0, 1], [0, 0]]], np.int32)
    hole = np.zeros((6, 5), bool)
    hole[1, 2] = hole[5, 4] = True
    attention = trace_attention(offsets, 8, hole)
    padded = np.pad(np.indices((6, 5)), ((0, 0), (0, 2), (0, 3)), mode="reflect")
    for row in range(6):
        for column in range(5):
            there = padded[:, 4 + row % 4, 4 + column % 4]
            assert attention.sources[row, column].tolist() == there.tolist()
    assert np.argwhere(attention.found).tolist() == [[1, 2]]  # the other one looks at itself


def test_blocks_that_touch_the_hole():
    pixels = np.zeros((9, 12), bool)
    assert blocks_of(pixels, 4).shape == (0, 2)
    pixels[3, 4:9] = pixels[8, 0] = True
    assert blocks_of(pixels, 4).tolist() == [[0, 1], [0, 2], [2, 0]]


def test_the_summary_has_the_means_of_every_layer(gated):
    figures = summary(gated[2])
    assert json.loads(json.dumps(figures)) == figures
    assert figures["architecture"] == "gated_unet"
    assert figures["picture"] == {"width": WIDTH, "height": HEIGHT, "hole": 99 / (HEIGHT * WIDTH)}
    assert figures["attention"] is None
    assert figures["known"] == []
    assert len(figures["gates"]) == 11
    first = gated[2].gates[0]
    entry = figures["gates"][0]
    assert entry["layer"] == "conv1"
    assert entry["hole"] == pytest.approx(first.mean.in_hole, abs=1e-4)
    assert entry["strongest"]["channel"] == first.channel
    assert entry["strongest"]["outside"] == pytest.approx(first.strongest.outside, abs=1e-4)
