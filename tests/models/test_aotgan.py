import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_inpaint.models.aotgan import AOTGAN, AOTBlock, AOTGANConfig, standardize
from tests.twins import aotgan
from tests.twins.torch_arrays import from_torch, randomize, to_torch


def example(height, width):
    image = jax.random.uniform(jax.random.key(1), (2, height, width, 3), minval=-1, maxval=1)
    mask = jnp.zeros((2, height, width, 1)).at[0, 4:12, 6:20].set(1).at[1, 8:, 12:].set(1)
    return image, mask


def test_block_is_the_published_one():
    twin = aotgan.AOTBlock(8)
    randomize(twin)
    x = jax.random.normal(jax.random.key(1), (2, 10, 12, 8))
    got = jax.jit(AOTBlock().apply)(aotgan.variables_of(twin), x)
    np.testing.assert_allclose(got, from_torch(twin(to_torch(x))), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(40, 40), (36, 52)])
def test_generator_is_the_published_one_with_a_white_hole(size):
    twin = aotgan.Generator(width=4, blocks=2)
    randomize(twin)
    image, mask = example(*size)
    expected = from_torch(twin(to_torch(jnp.where(mask > 0, 1.0, image)), to_torch(mask)))
    got = jax.jit(AOTGAN(4, 2).apply)(aotgan.variables_of(twin), image, mask)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(got["output"], expected, rtol=1e-4, atol=1e-5)


def test_published_size():
    image, mask = jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 64, 64, 1))
    variables = jax.eval_shape(AOTGANConfig().build().init, jax.random.key(0), image, mask)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 15_200_835
    with torch.device("meta"):
        published = aotgan.Generator()
    assert sum(parameter.numel() for parameter in published.parameters()) == 15_200_835


def test_gates_have_mean_and_deviation_of_the_official_code():
    x = jax.random.normal(jax.random.key(1), (2, 6, 7, 3)) * 4 + 2
    gates = np.asarray(standardize(x), np.float64)
    np.testing.assert_allclose(gates.mean((1, 2)), -5, rtol=1e-5)
    np.testing.assert_allclose(gates.std((1, 2), ddof=1), 10, rtol=1e-5)


def test_a_constant_channel_shuts_its_gate_and_has_a_finite_gradient():
    x = jnp.ones((1, 4, 4, 2))
    np.testing.assert_array_equal(standardize(x), -5)
    gradient = jax.grad(lambda x: jnp.sum(standardize(x) ** 2))(x)
    assert np.isfinite(gradient).all()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="width"):
        AOTGANConfig(width=0)
