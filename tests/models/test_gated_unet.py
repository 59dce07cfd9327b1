from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import load_config
from jax_inpaint.models.gated_unet import GatedUNet, GatedUNetConfig
from tests.twins.single_stage import gated_unet, random_variables
from tests.twins.torch_arrays import from_torch, to_torch

CONFIG = Path(__file__).parents[2] / "configs" / "gated_unet_places2.py"


def example():
    image = jax.random.uniform(jax.random.key(1), (2, 20, 28, 3), minval=-1)
    mask = jnp.zeros((2, 20, 28, 1)).at[0, 3:12, 5:20].set(1).at[1, :, 15:].set(1)
    return image, mask


def shapes(config):
    image = jnp.zeros((1, 32, 32, 3))
    return jax.eval_shape(config.build().init, jax.random.key(0), image, image[..., :1])["params"]


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_it_is_the_network_of_the_table(upsampling):
    model = GatedUNet(width=2, upsampling=upsampling)
    image, mask = example()
    params = random_variables(model, image, mask)["params"]
    outputs = jax.jit(lambda p: model.apply({"params": p}, image, mask))(params)
    seen = np.concatenate([image * (1 - mask), mask], axis=-1)
    expected = from_torch(gated_unet(params, to_torch(seen), upsampling))
    assert np.std(expected) > 0.05
    np.testing.assert_allclose(outputs["output"], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(
        outputs["composite"], jnp.where(mask > 0, outputs["output"], image)
    )


@pytest.mark.parametrize(
    ("upsampling", "count"), [("transposed", 7_525_187), ("resize", 6_951_747)]
)
def test_parameters_of_the_widths_asked_for(upsampling, count):
    params = shapes(GatedUNetConfig(upsampling=upsampling))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    assert params["conv1"]["conv"]["kernel"].shape == (5, 5, 4, 128)
    down = [params[f"conv{number}_downsample"]["conv"]["kernel"].shape for number in (2, 3)]
    assert down == [(3, 3, 64, 256), (3, 3, 128, 512)]


def test_wrong_sizes_and_widths_are_refused():
    image, mask = example()
    with pytest.raises(ValueError, match="20x26"):
        GatedUNet(width=2).init(jax.random.key(0), image[:, :, :26], mask[:, :, :26])
    with pytest.raises(ValueError, match="width"):
        GatedUNetConfig(width=0)


def test_the_objective_is_the_one_asked_for():
    config = load_config(CONFIG)
    assert {term.name: term.weight for term in config.objective.terms} == {
        "output_l1": 1.0,
        "output_vgg16_perceptual": 0.1,
        "output_vgg16_style": 250.0,
        "adversarial": 0.01,
    }
    assert config.objective.gan.loss == "hinge"
    assert config.discriminator.architecture == "sn_patchgan"
