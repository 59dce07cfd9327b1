from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import traverse_util

from jax_inpaint.models.lama import LaMa, LaMaConfig
from tests.twins import lama
from tests.twins.torch_arrays import from_torch, randomize, to_torch


def example(height, width, batch=2):
    image = jax.random.uniform(jax.random.key(1), (batch, height, width, 3), minval=-1, maxval=1)
    mask = jnp.zeros((batch, height, width, 1)).at[0, 4:12, 6:20].set(1).at[-1, 8:, 12:].set(1)
    return image, mask


@pytest.fixture(scope="module")
def twin():
    network = lama.Generator(width=4, blocks=2)
    randomize(network)
    with torch.no_grad():
        network.model[-2].weight.mul_(4)  # so that the picture has some contrast
    return network


def expected_picture(twin, image, mask):
    """Ours from the twin, which works in [0, 1]."""
    x = jnp.concatenate([(image + 1) / 2 * (1 - mask), mask], axis=-1)
    with torch.no_grad():
        return 2 * from_torch(twin(to_torch(x))) - 1


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_it_is_the_published_network(twin, size):
    image, mask = example(*size)
    expected = expected_picture(twin.eval(), image, mask)
    got = jax.jit(LaMa(4, 2).apply)(lama.variables_of(twin), image, mask)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(got["output"], expected, rtol=1e-4, atol=1e-5)


def test_it_trains_with_the_batchs_statistics_and_remembers_them(twin):
    image, mask = example(32, 32)
    apply = jax.jit(partial(LaMa(4, 2).apply, train=True, mutable=["batch_stats"]))
    got, updated = apply(lama.variables_of(twin), image, mask)
    expected = expected_picture(twin.train(), image, mask)
    np.testing.assert_allclose(got["output"], expected, rtol=1e-3, atol=1e-3)
    ours = traverse_util.flatten_dict(updated["batch_stats"])
    theirs = traverse_util.flatten_dict(lama.variables_of(twin)["batch_stats"])
    assert ours.keys() == theirs.keys()
    for path in ours:
        # PyTorch remembers the unbiased variance.
        tolerance = 1e-4 if path[-1] == "mean" else 2e-2
        np.testing.assert_allclose(
            ours[path], theirs[path], rtol=tolerance, atol=tolerance, err_msg=str(path)
        )


@pytest.mark.parametrize(("blocks", "number"), [(9, 27_048_835), (18, 50_975_875)])
def test_published_sizes_have_27_and_51_million_parameters(blocks, number):
    image, mask = jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 64, 64, 1))
    variables = jax.eval_shape(
        LaMaConfig(blocks=blocks).build().init, jax.random.key(0), image, mask
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == number
    with torch.device("meta"):
        published = lama.Generator(blocks=blocks)
    assert sum(parameter.numel() for parameter in published.parameters()) == number


def test_checkpoint_names_are_those_of_big_lama():
    with torch.device("meta"):
        names = lama.Generator(blocks=18).state_dict().keys()
    assert {
        "model.1.ffc.convl2l.weight",
        "model.4.bn_g.running_var",
        "model.22.conv2.ffc.convg2g.conv1.0.weight",
        "model.5.conv1.ffc.convg2g.fu.conv_layer.weight",
        "model.24.bias",
        "model.34.weight",
    } <= names
    assert not any(name.startswith(("model.23.", "model.33.")) for name in names)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="blocks"):
        LaMaConfig(blocks=0)
