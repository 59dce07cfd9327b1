import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.layers.fourier import FFCNormRelu, FourierUnit
from jax_inpaint.layers.normalization import batch_norm
from tests.twins import lama
from tests.twins.torch_arrays import from_torch, randomize, to_torch

NORM = batch_norm(False, None, jnp.float32)


def features(*shape, seed=1):
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize("size", [(8, 6), (5, 7)])
def test_fourier_unit_is_the_published_one(size):
    twin = lama.FourierUnit(3, 4).eval()
    randomize(twin)
    x = features(2, *size, 3)
    got = jax.jit(FourierUnit(4, NORM).apply)(lama.variables_of(twin), x)
    np.testing.assert_allclose(got, from_torch(twin(to_torch(x))), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("inputs", "outputs"), [((4, 0), (2, 6)), ((2, 6), (2, 6))])
def test_fast_fourier_convolution_is_the_published_one(inputs, outputs):
    stride = 1 if inputs[1] else 2
    twin = lama.FFCNormRelu(inputs, outputs, stride=stride).eval()
    randomize(twin)
    x = tuple(features(2, 6, 10, channels, seed=channels) for channels in inputs)
    layer = FFCNormRelu(sum(outputs), outputs[1], NORM, stride=stride)
    got = jax.jit(layer.apply)(lama.variables_of(twin), x)
    expected = twin(tuple(to_torch(part) if part.size else 0 for part in x))
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, from_torch(theirs), rtol=1e-4, atol=1e-5)


def test_one_pixel_reaches_the_whole_image():
    x = features(1, 16, 12, 2)
    unit = FourierUnit(2, NORM)
    variables = jax.jit(unit.init)(jax.random.key(0), x)
    changed = unit.apply(variables, x.at[0, 3, 4].add(1.0)) - unit.apply(variables, x)
    assert np.mean(np.abs(changed) > 1e-6) > 0.9


def test_bfloat16_features_are_transformed_in_float32():
    x = features(1, 16, 16, 4)
    unit = FourierUnit(4, NORM)
    variables = jax.jit(unit.init)(jax.random.key(0), x)
    half = FourierUnit(4, batch_norm(False, None, jnp.bfloat16), jnp.bfloat16)
    rounded = half.apply(variables, x.astype(jnp.bfloat16))
    assert rounded.dtype == jnp.bfloat16
    exact = unit.apply(variables, x)
    assert np.abs(rounded.astype(jnp.float32) - exact).mean() < 0.02 * np.std(exact)
