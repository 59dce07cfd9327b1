"""The partial U-Net against a PyTorch twin with NVIDIA's layer and the port's layout."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import traverse_util

from jax_inpaint.config import load_config
from jax_inpaint.models.partial_unet import PartialUNet, PartialUNetConfig
from tests.twins import partial_unet
from tests.twins.torch_arrays import from_torch, to_torch

CONFIGS = Path(__file__).parents[2] / "configs"


def example():
    image = jax.random.uniform(jax.random.key(1), (2, 32, 48, 3), minval=-1)
    mask = jnp.zeros((2, 32, 48, 1)).at[0, 5:29, 10:40].set(1).at[1, :, 24:].set(1)
    return image, mask


def network(**settings):
    twin = partial_unet.Network(width=4, levels=4, **settings)
    partial_unet.randomize(twin)
    return twin


@pytest.fixture(scope="module")
def filled():
    variables = partial_unet.variables_of(network())
    return PartialUNet(width=4, levels=4), variables, *example()


def from_twin(twin, colours, mask):
    with torch.no_grad():
        return from_torch(twin(to_torch(colours), to_torch(np.repeat(1 - mask, 3, -1))))


def test_names_and_shapes_of_parameters_are_those_of_the_table(filled):
    model, variables, image, mask = filled
    shapes = jax.eval_shape(model.init, jax.random.key(0), image, mask)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(lambda x: x.shape, shapes)


@pytest.mark.parametrize("train", [False, True])
def test_it_is_the_network_with_a_mask_for_every_channel(filled, train):
    model, variables, image, mask = filled
    expected = from_twin(network().train(train), image * (1 - mask), mask)
    fill = jax.jit(lambda v: model.apply(v, image, mask, train=train, mutable=["batch_stats"])[0])
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(fill(variables)["output"], expected, rtol=1e-4, atol=1e-4)


def test_weights_trained_without_the_windows_size_convert_by_dividing_kernels(filled):
    model, _, image, mask = filled
    twin = network(count_window=False).eval()
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    colours = ((np.asarray(image) + 1) / 2 - mean) / deviation * (1 - np.asarray(mask))
    raw = from_twin(twin, colours.astype(np.float32), mask)
    expected = 2 * (raw * deviation + mean) - 1
    model = model.clone(normalization="imagenet")
    fill = jax.jit(lambda variables: model.apply(variables, image, mask)["output"])
    assert np.std(expected) > 0.1
    variables = partial_unet.variables_of(twin)
    np.testing.assert_allclose(fill(variables), expected, rtol=1e-4, atol=1e-4)
    # As the file has them, the kernels mean something else.
    kernel = variables["params"]["dec1"]["conv"]["kernel"]
    variables["params"]["dec1"]["conv"]["kernel"] = kernel * (9 * kernel.shape[2])
    assert np.abs(fill(variables) - expected).max() > 0.1


@pytest.mark.parametrize(("levels", "count"), [(7, 25_779_796), (8, 32_859_732)])
def test_parameters_of_the_published_network(levels, count):
    config = PartialUNetConfig(levels=levels)
    image = jnp.zeros((1, config.multiple, config.multiple, 3))
    variables = jax.eval_shape(config.build().init, jax.random.key(0), image, image[..., :1])
    params = traverse_util.flatten_dict(variables["params"])
    assert sum(leaf.size for leaf in params.values()) == count
    with torch.device("meta"):
        twin = partial_unet.Network(levels=levels)
    masks = sum(p.numel() for name, p in twin.named_parameters() if "mask_conv" in name)
    assert sum(p.numel() for p in twin.parameters()) - masks == count
    assert {path for path in params if path[1] == "bias"} == {("dec1", "bias")}


def test_a_picture_that_is_all_hole_gives_finite_gradients(filled):
    model, variables, image, mask = filled

    @jax.jit
    def run(params):
        outputs, _ = model.apply(
            {**variables, "params": params},
            image,
            jnp.ones_like(mask),
            train=True,
            mutable=["batch_stats"],
        )
        return outputs["output"]

    output, backward = jax.vjp(run, variables["params"])
    np.testing.assert_array_equal(output, 0)
    (gradient,) = backward(jnp.ones_like(output))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_frozen_encoder_norm_keeps_statistics_and_uses_them():
    image, mask = example()
    frozen = PartialUNetConfig(width=2, levels=2, freeze_encoder_norm=True).build()
    variables = jax.jit(frozen.init)(jax.random.key(0), image, mask)
    before = jax.tree.map(lambda x: x + 0.5, variables["batch_stats"])

    def encoded(model, train):
        _, state = model.apply(
            {**variables, "batch_stats": before},
            image,
            mask,
            train=train,
            mutable=["batch_stats", "intermediates"],
            capture_intermediates=lambda module, _: module.name == "enc2",
        )
        return state["intermediates"]["enc2"]["__call__"][0][0], state["batch_stats"]

    learning = frozen.clone(freeze_encoder_norm=False)
    (kept, after), (free, moved), (released, _) = jax.jit(
        lambda: (encoded(frozen, True), encoded(learning, True), encoded(frozen, False))
    )()
    np.testing.assert_array_equal(kept, released)
    assert np.abs(free - released).max() > 0.1
    changed = jax.tree.map(lambda old, new: not np.array_equal(old, new), before, after)
    assert changed == {
        "enc2": {"norm": {"mean": False, "var": False}},
        "dec2": {"norm": {"mean": True, "var": True}},
    }
    assert not np.array_equal(before["enc2"]["norm"]["mean"], moved["enc2"]["norm"]["mean"])


def test_frozen_parameters_are_scale_and_bias_of_the_encoders_norm():
    config = PartialUNetConfig(width=2, levels=3, freeze_encoder_norm=True)
    params = jax.eval_shape(config.build().init, jax.random.key(0), *example())["params"]
    paths = traverse_util.flatten_dict(params)
    assert {path for path in paths if config.frozen_parameters(path)} == {
        (layer, "norm", name) for layer in ("enc2", "enc3") for name in ("scale", "bias")
    }
    assert not any(PartialUNetConfig().frozen_parameters(path) for path in paths)


def test_sizes_and_settings_that_make_no_network_are_refused():
    with pytest.raises(ValueError, match="multiples of 32, got 32x48"):
        PartialUNet(width=2, levels=5).init(jax.random.key(0), *example())
    with pytest.raises(ValueError, match="levels"):
        PartialUNetConfig(levels=0)


def test_the_published_objective_and_its_two_phases():
    config = load_config(CONFIGS / "partial_unet_places2.py")
    assert {term.name: term.weight for term in config.objective.terms} == {
        "output_known_l1": 1.0,
        "output_hole_l1": 6.0,
        "output_vgg16_perceptual": 0.05,
        "composite_vgg16_perceptual": 0.05,
        "output_vgg16_style": 120.0,
        "composite_vgg16_style": 120.0,
        "composite_total_variation": 0.1,
    }
    variation = config.objective.terms[-1]
    assert (variation.region, variation.power) == ("dilated_hole", 1)
    first, second = config.objective.phases
    assert (first.until, first.freeze_encoder_norm) == (500_000, False)
    assert second.freeze_encoder_norm
    rate = config.generator_optimizer.learning_rate
    assert (rate, rate * second.learning_rate_scale) == (2e-4, 5e-5)
