from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

from jax_inpaint.models.glcic import GLCIC, GLCICConfig
from tests.twins.torch_arrays import from_torch, kernel, randomize, to_torch, transposed_kernel


def completion_network(w):
    """The paper's table, with the convolution, batch norm and ReLU of each row."""

    def layer(inputs, outputs, size=3, stride=1, dilation=1, kind=nn.Conv2d):
        padding = dilation * (size - 1) // 2
        rate = {"dilation": dilation} if dilation > 1 else {}
        conv = kind(inputs, outputs, size, stride, padding, bias=False, **rate)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

    return nn.Sequential(
        layer(4, w, 5),
        layer(w, 2 * w, stride=2),
        layer(2 * w, 2 * w),
        layer(2 * w, 4 * w, stride=2),
        layer(4 * w, 4 * w),
        layer(4 * w, 4 * w),
        *[layer(4 * w, 4 * w, dilation=2**i) for i in (1, 2, 3, 4)],
        layer(4 * w, 4 * w),
        layer(4 * w, 4 * w),
        layer(4 * w, 2 * w, 4, stride=2, kind=nn.ConvTranspose2d),
        layer(2 * w, 2 * w),
        layer(2 * w, w, 4, stride=2, kind=nn.ConvTranspose2d),
        layer(w, w // 2),
        nn.Conv2d(w // 2, 3, 3, padding=1),
        nn.Sigmoid(),
    )


def variables_of(twin):
    params, statistics = {}, {}
    for number, (conv, norm, _) in enumerate(twin[:16], start=1):
        transposed = isinstance(conv, nn.ConvTranspose2d)
        name = f"{'deconv' if transposed else 'conv'}{number}"
        weights = transposed_kernel(conv.weight) if transposed else kernel(conv.weight)
        values = {key: jnp.asarray(value.numpy()) for key, value in norm.state_dict().items()}
        params[name] = {
            "conv": {"kernel": weights},
            "norm": {"scale": values["weight"], "bias": values["bias"]},
        }
        statistics[name] = {"norm": {"mean": values["running_mean"], "var": values["running_var"]}}
    last = twin[16]
    params["conv17"] = {
        "conv": {"kernel": kernel(last.weight), "bias": jnp.asarray(last.bias.detach().numpy())}
    }
    return {"params": params, "batch_stats": statistics}


@pytest.fixture(scope="module")
def twin():
    network = completion_network(4)
    randomize(network)
    with torch.no_grad():
        network[16].weight.mul_(4)  # so that the picture has some contrast
    return network


@pytest.fixture(scope="module")
def example():
    image = jax.random.uniform(jax.random.key(1), (2, 20, 28, 3), minval=-1, maxval=1)
    mask = jnp.zeros((2, 20, 28, 1)).at[0, 4:12, 6:20].set(1).at[1, 8:, 12:].set(1)
    return image, mask


def expected_picture(twin, image, mask):
    """The twin's picture, which is in [0, 1], in [-1, 1]."""
    with torch.no_grad():
        x = jnp.concatenate([image * (1 - mask), mask], axis=-1)
        return 2 * from_torch(twin(to_torch(x))) - 1


def test_it_is_the_published_network(twin, example):
    expected = expected_picture(twin.eval(), *example)
    got = jax.jit(GLCIC(width=4).apply)(variables_of(twin), *example)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(got["output"], expected, rtol=1e-4, atol=1e-5)


def test_it_trains_with_the_batchs_statistics_and_remembers_them(twin, example):
    apply = jax.jit(partial(GLCIC(width=4).apply, train=True, mutable=["batch_stats"]))
    got, updated = apply(variables_of(twin), *example)
    np.testing.assert_allclose(
        got["output"], expected_picture(twin.train(), *example), rtol=1e-3, atol=1e-3
    )
    remembered = variables_of(twin)["batch_stats"]
    assert updated["batch_stats"].keys() == remembered.keys()
    for name, theirs in remembered.items():
        ours = updated["batch_stats"][name]["norm"]["mean"]
        np.testing.assert_allclose(ours, theirs["norm"]["mean"], rtol=1e-3, atol=1e-4)


def test_published_size():
    image, mask = jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 64, 64, 1))
    network = GLCICConfig().build()
    params = jax.eval_shape(network.init, jax.random.key(0), image, mask)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 6_069_155
    convolutions = [layer["conv"] for layer in params.values()]
    assert sum(leaf.size for leaf in jax.tree.leaves(convolutions)) == 6_063_203
    with torch.device("meta"):
        published = completion_network(64)
    assert sum(parameter.numel() for parameter in published.parameters()) == 6_069_155


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="even"):
        GLCICConfig(width=5)
