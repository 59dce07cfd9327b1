"""Normalisation against PyTorch's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_inpaint.layers.normalization import batch_norm, instance_norm
from tests.twins.torch_arrays import from_torch, to_torch


@pytest.fixture
def x():
    """Channels with means and deviations of their own."""
    noise = jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
    return noise * jnp.array([0.5, 1.0, 3.0]) + jnp.array([-2.0, 0.0, 5.0])


@pytest.fixture
def twin():
    module = torch.nn.BatchNorm2d(3)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        module.bias.copy_(torch.tensor([1.0, 0.0, -1.0]))
        module.running_mean.copy_(torch.tensor([-1.0, 0.5, 3.0]))
        module.running_var.copy_(torch.tensor([0.5, 2.0, 4.0]))
    return module


def variables_of(twin):
    scale, bias, mean, variance = (
        value.detach().numpy().copy()
        for value in (twin.weight, twin.bias, twin.running_mean, twin.running_var)
    )
    return {
        "params": {"scale": scale, "bias": bias},
        "batch_stats": {"mean": mean, "var": variance},
    }


def test_batch_norm_in_training_is_pytorchs(x, twin):
    variables = variables_of(twin)
    norm = batch_norm(True, None, jnp.float32)
    got, updated = norm().apply(variables, x, mutable=["batch_stats"])
    np.testing.assert_allclose(got, from_torch(twin.train()(to_torch(x))), rtol=1e-4, atol=1e-4)
    statistics = updated["batch_stats"]
    np.testing.assert_allclose(statistics["mean"], twin.running_mean.numpy(), rtol=1e-4)
    # PyTorch remembers the unbiased variance, n / (n - 1) times ours.
    count = x[..., 0].size
    expected = 0.9 * variables["batch_stats"]["var"]
    expected += (twin.running_var.numpy() - expected) * (count - 1) / count
    np.testing.assert_allclose(statistics["var"], expected, rtol=1e-4)


def test_batch_norm_in_use_is_pytorchs(x, twin):
    norm = batch_norm(False, None, jnp.float32)
    got = norm().apply(variables_of(twin), x)
    np.testing.assert_allclose(got, from_torch(twin.eval()(to_torch(x))), rtol=1e-4, atol=1e-4)


def test_statistics_are_those_of_the_whole_batch_on_several_devices(x):
    variables = batch_norm(True, None, jnp.float32)().init(jax.random.key(0), x)

    def normalise(norm):
        return lambda x: norm().apply(variables, x, mutable=["batch_stats"])

    whole, updated = normalise(batch_norm(True, None, jnp.float32))(x)
    shards, shard_updates = jax.vmap(
        normalise(batch_norm(True, "devices", jnp.float32)), axis_name="devices"
    )(x.reshape(2, 2, 16, 16, 3))
    np.testing.assert_allclose(shards.reshape(whole.shape), whole, atol=2e-4)
    for path in ("mean", "var"):
        for each in shard_updates["batch_stats"][path]:
            np.testing.assert_allclose(each, updated["batch_stats"][path], rtol=1e-4)


def test_instance_norm_is_pytorchs_and_has_no_parameters(x):
    norm = instance_norm(jnp.float32)()
    assert not jax.tree.leaves(norm.init(jax.random.key(0), x))
    expected = from_torch(torch.nn.InstanceNorm2d(3)(to_torch(x)))
    np.testing.assert_allclose(norm.apply({}, x), expected, rtol=1e-4, atol=1e-4)


def test_a_flat_channel_comes_out_flat():
    flat = jnp.full((1, 8, 8, 1), 3.3)
    np.testing.assert_allclose(instance_norm(jnp.float32)().apply({}, flat), 0, atol=1e-3)


@pytest.mark.parametrize(
    "norm", [batch_norm(True, None, jnp.bfloat16), instance_norm(jnp.bfloat16)]
)
def test_statistics_are_float32_whatever_is_computed_in(x, norm):
    """Sums of 1024 squares wouldn't fit bfloat16's 8 bits."""
    variables = norm().init(jax.random.key(0), x)
    rounded = norm().apply(variables, x.astype(jnp.bfloat16), mutable=["batch_stats"])[0]
    assert rounded.dtype == jnp.bfloat16
    wide = np.asarray(rounded, np.float32)
    axes = (0, 1, 2) if "params" in variables else (1, 2)
    np.testing.assert_allclose(wide.mean(axes), 0, atol=5e-3)
    np.testing.assert_allclose(wide.std(axes), 1, atol=5e-3)
