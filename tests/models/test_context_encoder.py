from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import load_config
from jax_inpaint.models.context_encoder import ContextEncoder, ContextEncoderConfig
from jax_inpaint.models.patchgan import PatchGANConfig
from tests.twins.single_stage import context_encoder, random_variables
from tests.twins.torch_arrays import from_torch, to_torch

CONFIG = Path(__file__).parents[2] / "configs" / "context_encoder_places2.py"


@pytest.fixture(scope="module")
def example():
    image = jax.random.uniform(jax.random.key(1), (2, 32, 48, 3), minval=-1)
    mask = jnp.zeros((2, 32, 48, 1)).at[0, 3:12, 5:20].set(1).at[1, :, 30:].set(1)
    return image, mask


@pytest.mark.parametrize("train", [False, True])
def test_it_is_the_network_of_the_table(example, train):
    image, mask = example
    model = ContextEncoder(width=2)
    variables = random_variables(model, image, mask)
    outputs, updated = jax.jit(
        lambda v: model.apply(v, image, mask, train=train, mutable=["batch_stats"])
    )(variables)
    seen = np.concatenate([image * (1 - mask), mask], axis=-1)
    expected = from_torch(context_encoder(variables, to_torch(seen), train))
    assert np.std(expected) > 0.05
    np.testing.assert_allclose(outputs["output"], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(
        outputs["composite"], jnp.where(mask > 0, outputs["output"], image)
    )
    for old, new in zip(*map(jax.tree.leaves, (variables["batch_stats"], updated)), strict=True):
        assert np.array_equal(old, new) != train


def test_parameters_at_the_default_width():
    image = jnp.zeros((1, 32, 32, 3))
    model = ContextEncoderConfig().build()
    params = jax.eval_shape(model.init, jax.random.key(0), image, image[..., :1])["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 12_595_907
    widths = [params[f"conv{number}"]["conv"]["kernel"].shape[-1] for number in (1, 2, 3, 4)]
    assert widths == [64, 128, 256, 512]
    assert {name for name in params if "bias" in params[name]["conv"]} == {"conv1", "deconv1"}
    assert {name for name in params if "norm" not in params[name]} == {"conv1", "deconv1"}


def test_the_discriminator_is_shown_the_image_and_its_known_part(example):
    image, mask = example
    config = PatchGANConfig(width=2, layers=1, norm="none", condition="masked_image")
    model = config.build(jnp.float32)
    variables = jax.jit(model.init)(jax.random.key(0), image, mask)
    first = variables["params"]["scale1"]["conv1"]
    assert first["kernel"].shape == (4, 4, 6, 2)
    # Blind to the image itself, it knows the known part and nothing of the hole.
    first["kernel"] = first["kernel"].at[:, :, :3].set(0)
    gradient = jax.jit(
        jax.grad(lambda x: (model.apply(variables, x, mask)["logits"][0] ** 2).sum())
    )(image)
    hole = np.broadcast_to(np.asarray(mask) > 0, image.shape)
    assert not np.asarray(gradient)[hole].any()
    assert np.asarray(gradient)[~hole].any()


def test_wrong_sizes_and_widths_are_refused(example):
    image, mask = example
    with pytest.raises(ValueError, match="32x40"):
        ContextEncoder(width=2).init(jax.random.key(0), image[:, :, :40], mask[:, :, :40])
    with pytest.raises(ValueError, match="width"):
        ContextEncoderConfig(width=0)


def test_the_objective_is_the_papers():
    config = load_config(CONFIG)
    assert {term.name: term.weight for term in config.objective.terms} == {
        "output_hole_mse": 0.999,
        "adversarial": 0.001,
    }
    assert config.objective.gan.loss == "bce"
    assert config.discriminator.condition == "masked_image"
    rates = config.generator_optimizer.learning_rate, config.discriminator_optimizer.learning_rate
    assert rates[0] / rates[1] == pytest.approx(10)
