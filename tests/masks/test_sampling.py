import dataclasses
import math
from functools import cache, partial
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jax_inpaint.config import DrawnKind, MaskConfig, from_dict, parse_command_line, to_dict
from jax_inpaint.masks import sample_masks
from jax_inpaint.masks.sampling import SAMPLERS, _sample_mask

HEIGHT, WIDTH = 32, 48
KINDS = get_args(DrawnKind)
CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))

sample = jax.jit(sample_masks, static_argnames=("batch", "height", "width", "config"))


@cache
def compiled(config):
    """Draws a batch of eight from the seed and the number of the first."""

    @jax.jit
    def draw(seed, first):
        return sample_masks(jax.random.key(seed), 8, HEIGHT, WIDTH, config, first)

    return lambda seed, first=0: np.asarray(draw(seed, first))


# Every kind.


def test_every_kind_has_a_sampler():
    assert tuple(SAMPLERS) == KINDS


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"center"}))  # always the same
def test_masks_are_binary_of_the_keys_choosing_and_the_same_in_any_part_of_a_batch(kind):
    draw = compiled(MaskConfig(kind=kind))
    masks = np.concatenate([draw(0), draw(0, 8)])
    assert masks.shape == (16, HEIGHT, WIDTH, 1)
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) == {0, 1}
    assert np.all(masks.max(axis=(1, 2, 3)) == 1)
    np.testing.assert_array_equal(draw(0, 5), masks[5:13])
    assert len(np.unique(masks.reshape(16, -1), axis=0)) > 12
    other = draw(1)
    assert sum(np.array_equal(a, b) for a, b in zip(masks, other, strict=False)) < 3


@pytest.mark.parametrize("kind", ["scratches", "text", "fragments"])
def test_the_smallest_images_get_holes(kind):
    masks = sample(jax.random.key(0), 64, 8, 8, MaskConfig(kind=kind))
    assert np.all(np.max(masks, axis=(1, 2, 3)) == 1)


@pytest.mark.parametrize("kind", ["fragments", "graffiti", "boxes"])
def test_coverage_is_alike_at_any_size(kind):
    small, large = (
        np.mean(sample(jax.random.key(0), 32, side, side, MaskConfig(kind=kind)))
        for side in (96, 192)
    )
    assert 0.9 < small / large < 1.1


def test_a_batch_can_share_one_mask():
    masks = sample(jax.random.key(0), 8, 64, 96, MaskConfig(kind="box", per_image=False))
    assert masks.shape == (8, 64, 96, 1)
    np.testing.assert_array_equal(masks, jnp.broadcast_to(masks[:1], masks.shape))
    assert set(np.unique(masks)) == {0, 1}


BOUNDED_MIXTURE = MaskConfig(
    kind="mixture", mixture=(("boxes", 1.0), ("brush", 1.0)), coverage=(0.1, 0.4)
)


@pytest.mark.parametrize("config", [MaskConfig(), BOUNDED_MIXTURE])
def test_a_batch_split_over_devices_gets_the_masks_of_one_device(config):
    devices = jax.device_count()
    assert devices > 1
    batch = 2 * devices
    expected = sample(jax.random.key(7), batch, 64, 96, config)

    mesh = jax.make_mesh((devices,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    images = jax.device_put(jnp.ones((batch, 64, 96, 3)), NamedSharding(mesh, P("data")))

    @jax.jit
    def holes(key, images):
        return images[..., :1] * sample_masks(key, batch, 64, 96, config)

    split = P("data")

    @jax.jit
    @partial(
        jax.shard_map, mesh=mesh, in_specs=(P(), split), out_specs=split, check_vma=False
    )  # as the training step
    def holes_by_shard(key, images):
        first = jax.lax.axis_index("data") * 2
        return images[..., :1] * sample_masks(key, 2, 64, 96, config, first)

    for function in (holes, holes_by_shard):
        masks = function(jax.random.key(7), images)
        assert len(masks.sharding.device_set) == devices
        np.testing.assert_array_equal(masks, expected)


def test_side_by_side_and_one_by_one_give_the_same_masks():
    one = partial(_sample_mask, height=HEIGHT, width=WIDTH, config=BOUNDED_MIXTURE)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(3)))(np.arange(8))
    np.testing.assert_array_equal(jax.jit(jax.vmap(one))(keys), compiled(BOUNDED_MIXTURE)(3))


# Configuration.


def test_a_configuration_of_masks_can_be_typed_and_saved():
    places = next(path for path in CONFIGS if path.stem == "deepfillv2_places2")
    kinds = ["--masks.kind", "mixture", "--masks.mixture", "thick", "1", "boxes", "0.5"]
    command = [*kinds, "--masks.coverage", "0.15", "0.65"]
    config = parse_command_line(command, places, "A test.").masks
    assert config.mixture == (("thick", 1.0), ("boxes", 0.5))
    assert config.coverage == (0.15, 0.65)
    assert from_dict(MaskConfig, to_dict(config)) == config
    assert hash(from_dict(MaskConfig, to_dict(config))) == hash(config)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"kind": "mixture"}, "masks.mixture"),
        ({"kind": "mixture", "mixture": (("box", 0.0),)}, "positive weights"),
        ({"kind": "mixture", "mixture": (("box", math.inf),)}, "positive weights"),
        ({"kind": "folder"}, "masks.folder"),
        ({"coverage": (0.5, 0.5)}, "masks.coverage"),
        ({"coverage": (-0.1, 0.5)}, "masks.coverage"),
        ({"coverage": (0.1, 1.5)}, "masks.coverage"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(wrong, word):
    with pytest.raises(ValueError, match=word):
        MaskConfig(**wrong)


def test_a_mixture_may_stay_while_another_kind_is_tried():
    config = MaskConfig(kind="mixture", mixture=(("box", 1.0),))
    assert dataclasses.replace(config, kind="thick").kind == "thick"


def test_masks_from_a_folder_arent_drawn():
    with pytest.raises(ValueError, match="folder"):
        sample_masks(jax.random.key(0), 2, 8, 8, MaskConfig(kind="folder", folder="masks"))
