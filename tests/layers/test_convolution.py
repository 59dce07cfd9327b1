"""Plain convolutions against PyTorch's, and TensorFlow's uneven padding against a loop."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_inpaint.layers.convolution import Conv, TransposedConv, UpConv
from jax_inpaint.layers.normalization import instance_norm
from tests.twins.torch_arrays import from_torch, kernel, to_torch, transposed_kernel


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(1), (2, 9, 12, 2))


@pytest.mark.parametrize("padding", ["symmetric", "reflect"])
@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 2, 1), (4, 2, 1), (3, 1, 4)]
)
def test_even_paddings_are_pytorchs(x, padding, size, stride, dilation):
    modes = {"symmetric": "zeros", "reflect": "reflect"}
    width = dilation * (size - 1) // 2
    twin = torch.nn.Conv2d(
        2, 3, size, stride, width, dilation=dilation, padding_mode=modes[padding]
    )
    layer = Conv(3, size, stride, dilation, padding)
    params = {"conv": {"kernel": kernel(twin.weight), "bias": twin.bias.detach().numpy()}}
    expected = from_torch(twin(to_torch(x)))
    np.testing.assert_allclose(layer.apply({"params": params}, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (5, 2, 1), (4, 2, 1), (3, 1, 4)]
)
def test_same_padding_is_tensorflows(x, size, stride, dilation):
    """Output ``r`` looks at input ``r * stride - before``, with the odd zero behind."""
    layer = Conv(3, size, stride, dilation, padding="same", use_bias=False)
    variables = layer.init(jax.random.key(0), x)
    weight = np.asarray(variables["params"]["conv"]["kernel"], np.float64)
    rows, columns = (-(-n // stride) for n in x.shape[1:3])
    reach = dilation * (size - 1) + 1
    before = [
        max((m - 1) * stride + reach - n, 0) // 2
        for m, n in zip((rows, columns), x.shape[1:3], strict=True)
    ]
    expected = np.zeros((2, rows, columns, 3))
    for r, c, i, j in np.ndindex(rows, columns, size, size):
        row, column = r * stride - before[0] + i * dilation, c * stride - before[1] + j * dilation
        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
            expected[:, r, c] += np.asarray(x)[:, row, column] @ weight[i, j]
    np.testing.assert_allclose(layer.apply(variables, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "stride", "output_padding"), [(4, 2, 0), (3, 2, 1), (2, 2, 0)])
def test_transposed_convolution_is_pytorchs(x, size, stride, output_padding):
    twin = torch.nn.ConvTranspose2d(
        2, 3, size, stride, (size - stride + 1) // 2, output_padding=output_padding
    )
    params = {"kernel": transposed_kernel(twin.weight), "bias": twin.bias.detach().numpy()}
    got = TransposedConv(3, size, stride).apply({"params": {"conv": params}}, x)
    assert got.shape == (2, 18, 24, 3)
    np.testing.assert_allclose(got, from_torch(twin(to_torch(x))), rtol=1e-4, atol=1e-5)


def test_resize_convolution_repeats_pixels_and_convolves(x):
    twin = torch.nn.Sequential(
        torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(2, 3, 3, padding=1)
    )
    conv = {"kernel": kernel(twin[1].weight), "bias": twin[1].bias.detach().numpy()}
    got = UpConv(3).apply({"params": {"up": {"conv": conv}}}, x)
    np.testing.assert_allclose(got, from_torch(twin(to_torch(x))), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [Conv, UpConv, TransposedConv])
def test_normalisation_comes_before_the_activation(x, kind):
    norm = instance_norm(jnp.float32)
    variables = kind(3).init(jax.random.key(0), x)
    normalised = norm().apply({}, kind(3).apply(variables, x))
    np.testing.assert_allclose(
        kind(3, norm=norm, activation=nn.relu).apply(variables, x), nn.relu(normalised), atol=1e-5
    )


@pytest.mark.parametrize("kind", [Conv, UpConv, TransposedConv])
def test_parameters_stay_float32_and_biases_can_be_left_out(x, kind):
    layer = kind(3, use_bias=False, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), x)
    (weight,) = jax.tree.leaves(variables)
    assert weight.dtype == jnp.float32
    assert layer.apply(variables, x).dtype == jnp.bfloat16
