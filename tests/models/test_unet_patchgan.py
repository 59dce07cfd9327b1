from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import load_config
from jax_inpaint.models.unet_patchgan import AttentionUNet, AttentionUNetConfig
from tests.twins.single_stage import attention_unet, random_variables
from tests.twins.torch_arrays import from_torch, to_torch

CONFIG = Path(__file__).parents[2] / "configs" / "unet_patchgan_places2.py"


@pytest.fixture(scope="module")
def filled():
    image = jax.random.uniform(jax.random.key(1), (2, 64, 80, 3), minval=-1)
    mask = jnp.zeros((2, 64, 80, 1)).at[0, 3:12, 5:20].set(1).at[1, 40:, 50:].set(1)
    model = AttentionUNet(width=2)
    params = random_variables(model, image, mask)["params"]
    outputs = jax.jit(lambda p: model.apply({"params": p}, image, mask))(params)
    return params, outputs, image, mask


def test_it_is_the_network_of_the_table(filled):
    params, outputs, image, mask = filled
    seen = np.concatenate([image * (1 - mask), mask], axis=-1)
    expected = from_torch(attention_unet(params, to_torch(seen), mask))
    assert np.std(expected) > 0.05
    np.testing.assert_allclose(outputs["output"], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(
        outputs["composite"], jnp.where(mask > 0, outputs["output"], image)
    )


def test_offsets_point_from_every_sixteenth_pixel_to_a_patch_inside(filled):
    flow = np.asarray(filled[1]["offset_flow"])
    assert flow.shape == (2, 4, 5, 2)
    target = flow + np.stack(np.meshgrid(np.arange(4), np.arange(5), indexing="ij"), axis=-1)
    assert target.min() >= 0
    assert (target < [4, 5]).all()


def test_parameters_at_the_default_width():
    image = jnp.zeros((1, 32, 32, 3))
    model = AttentionUNetConfig().build()
    params = jax.eval_shape(model.init, jax.random.key(0), image, image[..., :1])["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 12_507_395


def test_wrong_sizes_and_widths_are_refused(filled):
    _, _, image, mask = filled
    with pytest.raises(ValueError, match="64x72"):
        AttentionUNet(width=2).init(jax.random.key(0), image[:, :, :72], mask[:, :, :72])
    with pytest.raises(ValueError, match="width"):
        AttentionUNetConfig(width=0)


def test_the_objective_is_the_one_asked_for():
    config = load_config(CONFIG)
    assert {term.term for term in config.objective.terms} == {
        "l1",
        "perceptual",
        "total_variation",
        "adversarial",
    }
    assert config.discriminator.architecture == "patchgan"
    assert config.discriminator.scales == 2
