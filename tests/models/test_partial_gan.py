"""The generator of the partial-convolution GAN, and the experiment around it."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import load_config
from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.layers.partial import PartialConv
from jax_inpaint.models.partial_gan import PartialGAN, PartialGANConfig, PartialResidual

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def filled():
    image = jax.random.uniform(jax.random.key(1), (2, 64, 64, 3), minval=-1)
    mask = jnp.zeros((2, 64, 64, 1)).at[0, 5:59, 10:64].set(1).at[1].set(1)
    model = PartialGAN(width=2, blocks=1)
    variables = jax.jit(model.init)(jax.random.key(0), image, mask)
    return model, variables, image, mask


def test_holes_close_and_the_picture_is_bounded(filled):
    model, variables, image, mask = filled
    params = variables["params"]
    bias = jnp.array([0.5, -0.5, 9.0])
    params = {**params, "dec1": {**params["dec1"], "bias": bias}}
    output = jax.jit(model.apply)({**variables, "params": params}, image, mask)["output"]
    assert np.abs(output).max() <= 1
    # What a partial convolution leaves unknown is 0, without the bias.
    assert np.abs(output[0]).min(-1).max() > 0
    assert (np.abs(output[0]).max(-1) > 0).all()
    np.testing.assert_array_equal(output[1], 0)


def test_a_residual_block_adds_to_what_was_known():
    x = jax.random.normal(jax.random.key(1), (1, 12, 12, 4))
    valid = jnp.ones((1, 12, 12, 1)).at[0, 2:10, 2:10].set(0)
    norm = batch_norm(False, None, jnp.float32)
    block = PartialResidual(4, norm)
    variables = block.init(jax.random.key(0), (x, valid))
    total, new_valid = block.apply(variables, (x, valid))

    def conv(name, part, **settings):
        inner = {kind: tree[name] for kind, tree in variables.items()}
        return PartialConv(4, norm=norm, **settings).apply(inner, part)

    inner = conv("conv1", (x, valid), activation=partial(jax.nn.leaky_relu, negative_slope=0.2))
    change, _ = conv("conv2", inner)
    known = np.asarray(valid)[..., 0] == 1
    np.testing.assert_allclose(total[known], (x + change)[known], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(total[~known], change[~known], rtol=1e-5, atol=1e-6)
    # Two 3x3 convolutions close the hole by two pixels from every side.
    expected = np.ones((12, 12))
    expected[4:8, 4:8] = 0
    np.testing.assert_array_equal(new_valid[0, ..., 0], expected)


def test_parameters_of_the_default_network():
    image = jnp.zeros((1, 64, 64, 3))
    init = PartialGANConfig().build().init
    shapes = jax.eval_shape(init, jax.random.key(0), image, image[..., :1])["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 7_500_628


def test_sizes_and_settings_that_make_no_network_are_refused(filled):
    model, variables, image, mask = filled
    with pytest.raises(ValueError, match="multiples of 32, got 48x64"):
        model.apply(variables, image[:, :48], mask[:, :48])
    for settings in ({"width": 0}, {"blocks": -1}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            PartialGANConfig(**settings)


def test_the_experiments_discriminators_attend_at_every_scale():
    config = load_config(CONFIGS / "partial_gan.py")
    assert {term.name: term.weight for term in config.objective.terms} == {
        "output_l1": 10.0,
        "adversarial": 1.0,
    }
    image = jnp.zeros((1, 256, 256, 3))
    judge = config.discriminator.build(jnp.float32)
    outputs, variables = jax.eval_shape(
        judge.init_with_output, jax.random.key(0), image, image[..., :1]
    )
    sizes = [logits.shape[1] for logits in outputs["logits"]]
    assert len(sizes) == len(set(sizes)) == config.discriminator.scales > 1
    assert all("attention" in scale for scale in variables["params"].values())
