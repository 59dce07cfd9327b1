"""Gated layers against loops in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.layers.gated import GatedConv, GatedUpsample, ToImage


def convolve(x, kernel, bias, stride=1, dilation=1):
    """TensorFlow's 'SAME' convolution of one image (H, W, C)."""
    size = kernel.shape[0]
    reach = (size - 1) * dilation + 1
    out_size = [-(-n // stride) for n in x.shape[:2]]
    before = [
        max((m - 1) * stride + reach - n, 0) // 2
        for m, n in zip(out_size, x.shape[:2], strict=True)
    ]
    out = np.tile(bias.astype(np.float64), (*out_size, 1))
    for r in range(out_size[0]):
        for c in range(out_size[1]):
            for i in range(size):
                for j in range(size):
                    y = r * stride - before[0] + i * dilation
                    z = c * stride - before[1] + j * dilation
                    if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
                        out[r, c] += x[y, z] @ kernel[i, j]
    return out


def gate(x, activation):
    features, gates = np.split(x, 2, axis=-1)
    return activation(features) / (1 + np.exp(-gates))


def elu(x):
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)


@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(5, 1, 1), (3, 2, 1), (3, 1, 4), (5, 2, 1), (3, 1, 1)]
)
def test_gated_convolution_is_features_first_then_gate(size, stride, dilation):
    layer = GatedConv(3, kernel_size=size, stride=stride, dilation=dilation)
    x = jax.random.normal(jax.random.key(1), (1, 8, 10, 2))
    params = layer.init(jax.random.key(0), x)["params"]["conv"]
    params = {"kernel": params["kernel"], "bias": jnp.arange(6.0) / 10}
    kernel, bias = np.asarray(params["kernel"]), np.asarray(params["bias"])
    expected = gate(convolve(np.asarray(x[0]), kernel, bias, stride, dilation), elu)
    np.testing.assert_allclose(
        layer.apply({"params": {"conv": params}}, x)[0], expected, rtol=1e-4, atol=1e-5
    )


def test_upsampling_repeats_pixels_and_convolves():
    layer = GatedUpsample(3)
    x = jax.random.normal(jax.random.key(1), (1, 4, 5, 2))
    params = layer.init(jax.random.key(0), x)["params"]
    conv = {name: np.asarray(value) for name, value in params["gated_conv"]["conv"].items()}
    large = np.asarray(x[0]).repeat(2, 0).repeat(2, 1)
    expected = gate(convolve(large, conv["kernel"], conv["bias"]), elu)
    np.testing.assert_allclose(
        layer.apply({"params": params}, x)[0], expected, rtol=1e-4, atol=1e-5
    )


def test_initialisation_is_glorot_uniform_over_both_halves_and_zero():
    layer = GatedConv(64)
    params = layer.init(jax.random.key(0), jnp.zeros((1, 8, 8, 32)))["params"]["conv"]
    limit = np.sqrt(6 / (9 * 32 + 9 * 128))  # fan out counts features and gate
    kernel = np.asarray(params["kernel"])
    assert kernel.shape == (3, 3, 32, 128)
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.02)
    np.testing.assert_array_equal(params["bias"], 0)


def test_the_picture_head_is_a_plain_convolution_and_tanh():
    layer = ToImage()
    x = jax.random.normal(jax.random.key(1), (1, 4, 5, 2))
    params = layer.init(jax.random.key(0), x)["params"]
    conv = {name: np.asarray(value) for name, value in params["conv"].items()}
    expected = np.tanh(convolve(np.asarray(x[0]), conv["kernel"], conv["bias"]))
    np.testing.assert_allclose(
        layer.apply({"params": params}, x)[0], expected, rtol=1e-4, atol=1e-5
    )
