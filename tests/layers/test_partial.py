"""Partial convolutions against the multi-channel formula, in NumPy loops and in PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.layers.partial import PartialConv, upsample_part
from tests.twins import partial_unet
from tests.twins.torch_arrays import from_torch, kernel, to_torch


def parts(seed=1, channels=(3, 2), height=10, width=8):
    """Features with a hole each, the second one's elsewhere; some windows hold nothing known."""
    keys = jax.random.split(jax.random.key(seed), len(channels))
    result = []
    for number, (key, count) in enumerate(zip(keys, channels, strict=True)):
        x = jax.random.normal(key, (2, height, width, count))
        valid = jnp.ones((2, height, width, 1)).at[0, number : 7 + number, 1:].set(0)
        result.append((x, valid.at[1, :, : 5 - number].set(0)))
    return result


def literal(weights, bias, x, valid, stride):
    """The paper's equations 1 and 2 for one image, every channel with a mask of its own."""
    size, border = weights.shape[0], weights.shape[0] // 2
    rows, columns = -(-x.shape[0] // stride), -(-x.shape[1] // stride)
    x, valid = (np.pad(a, [(border, border)] * 2 + [(0, 0)]).astype(np.float64) for a in (x, valid))
    out, new_valid = np.zeros((rows, columns, weights.shape[-1])), np.zeros((rows, columns, 1))
    for r in range(rows):
        for c in range(columns):
            window = np.s_[r * stride : r * stride + size, c * stride : c * stride + size]
            known = valid[window].sum()
            if known > 0:
                product = np.einsum("ijc,ijcf->f", x[window] * valid[window], weights)
                out[r, c] = product * (valid[window].size / known) + bias
                new_valid[r, c] = 1
    return out, new_valid


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (7, 2), (3, 2)])
def test_one_mask_for_each_part_equals_a_mask_for_every_channel(size, stride):
    given = parts()
    layer = PartialConv(4, kernel_size=size, stride=stride, use_bias=True)
    params = layer.init(jax.random.key(0), *given)["params"]
    params["bias"] = jnp.arange(1.0, 5.0)
    out, new_valid = layer.apply({"params": params}, *given)
    x = np.concatenate([features for features, _ in given], -1)
    valid = np.concatenate([np.repeat(m, f.shape[-1], -1) for f, m in given], -1)
    for i in range(2):
        expected = literal(
            np.asarray(params["conv"]["kernel"]), params["bias"], x[i], valid[i], stride
        )
        np.testing.assert_allclose(out[i], expected[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(new_valid[i], expected[1])
    assert 0 < new_valid.mean() < 1


def test_it_is_nvidias_layer():
    given = parts()
    twin = partial_unet.PartialConv(5, 4, size=5, stride=2, bias=True)
    partial_unet.randomize(twin)
    params = {
        "conv": {"kernel": kernel(twin.input_conv.weight)},
        "bias": twin.input_conv.bias.detach().numpy(),
    }
    layer = PartialConv(4, kernel_size=5, stride=2, use_bias=True)
    out, new_valid = layer.apply({"params": params}, *given)
    expected, mask = twin(
        to_torch(np.concatenate([x for x, _ in given], -1)),
        to_torch(np.concatenate([np.repeat(valid, x.shape[-1], -1) for x, valid in given], -1)),
    )
    np.testing.assert_allclose(out, from_torch(expected), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(np.repeat(new_valid, 4, -1), from_torch(mask))


def test_where_everything_is_known_it_is_the_plain_convolution():
    x = jax.random.normal(jax.random.key(1), (1, 9, 11, 6))
    layer = PartialConv(4, kernel_size=5, use_bias=True)
    known = jnp.ones((1, 9, 11, 1))
    params = layer.init(jax.random.key(0), (x, known))["params"]
    params["bias"] = jnp.arange(1.0, 5.0)
    out, new_valid = layer.apply({"params": params}, (x, known))
    product = jax.lax.conv_general_dilated(
        x, params["conv"]["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    inside = np.s_[:, 2:-2, 2:-2]
    np.testing.assert_array_equal(out[inside], (product + params["bias"])[inside])
    # Along the border the zeros are a hole: the sum is scaled up to the whole window.
    rows, columns = ([min(i, 2) + min(n - 1 - i, 2) + 1 for i in range(n)] for n in (9, 11))
    share = np.outer(rows, columns)[None, :, :, None] / 25
    np.testing.assert_allclose(out, product / share + params["bias"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(new_valid, 1)


def test_a_constant_picture_stays_constant_however_little_is_known():
    valid = jax.random.bernoulli(jax.random.key(2), 0.2, (1, 16, 16, 1)).astype(jnp.float32)
    layer = PartialConv(1)
    params = {"conv": {"kernel": jnp.full((3, 3, 2, 1), 1 / 18)}}
    out, new_valid = layer.apply({"params": params}, (jnp.full((1, 16, 16, 2), 0.7), valid))
    assert 0 < new_valid.mean() < 1
    np.testing.assert_allclose(out, 0.7 * new_valid, rtol=1e-6)


def test_a_call_uses_its_own_masks_whatever_came_before():
    ((x, valid),) = parts(channels=(3,))
    layer = PartialConv(4)
    params = layer.init(jax.random.key(0), (x, valid))
    layer.apply(params, (x, valid))
    known = jnp.ones_like(valid)
    together = layer.apply(params, (x, known))[0]
    np.testing.assert_array_equal(together, PartialConv(4).apply(params, (x, known))[0])
    for i in range(2):
        alone = layer.apply(params, (x[i : i + 1], valid[i : i + 1]))[0]
        np.testing.assert_allclose(layer.apply(params, (x, valid))[0][i], alone[0], atol=1e-5)


def test_gradients_reach_known_features_only_and_no_mask():
    ((x, valid),) = parts(channels=(3,))
    layer = PartialConv(4, use_bias=True)
    params = layer.init(jax.random.key(0), (x, valid))

    def loss(x, valid):
        out, new_valid = layer.apply(params, (x, valid))
        return jnp.sum(out**2) + jnp.sum(new_valid)

    gradient = jax.grad(loss)(x, valid)
    assert (np.asarray(gradient)[np.broadcast_to(np.asarray(valid) == 0, x.shape)] == 0).all()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    np.testing.assert_array_equal(jax.grad(loss, argnums=1)(x, valid), 0)


def test_norm_and_activation_follow_and_types_are_kept():
    ((x, valid),) = parts(channels=(3,))
    norm = batch_norm(True, None, jnp.bfloat16)
    layer = PartialConv(4, norm=norm, activation=jax.nn.relu, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), (x, valid))
    (out, new_valid), _ = layer.apply(variables, (x, valid), mutable=["batch_stats"])
    assert out.dtype == jnp.bfloat16
    assert new_valid.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert out.min() == 0
    exact, _ = PartialConv(4).apply({"params": {"conv": variables["params"]["conv"]}}, (x, valid))
    centred = exact - exact.mean((0, 1, 2))
    expected = jax.nn.relu(centred / jnp.sqrt(exact.var((0, 1, 2)) + 1e-5))
    np.testing.assert_allclose(out.astype(jnp.float32), expected, atol=0.05)


def test_upsampling_repeats_features_and_mask_alike():
    ((x, valid),) = parts(channels=(3,))
    large, large_valid = upsample_part((x, valid))
    np.testing.assert_array_equal(large, np.asarray(x).repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(large_valid, np.asarray(valid).repeat(2, 1).repeat(2, 2))
