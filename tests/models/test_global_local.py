"""Discriminators with a branch for the image and a branch for a window around the hole."""

from functools import partial

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

from jax_inpaint.models.global_local import (
    ContextDiscriminator,
    ContextDiscriminatorConfig,
    GlobalLocalCritics,
    GlobalLocalCriticsConfig,
)
from tests.twins.torch_arrays import from_torch, kernel, randomize, to_torch

SMALL = {
    "critics": GlobalLocalCritics(width=2),
    "context": ContextDiscriminator(width=2, global_layers=4, local_layers=3, hidden=8),
}
CORNERS = [(4, 8), (16, 16)]  # of the windows that belong to the holes below


@pytest.fixture(scope="module")
def example():
    image = jax.random.uniform(jax.random.key(1), (2, 32, 32, 3), minval=-1, maxval=1)
    # The second hole lies at the border, where its window has to stay inside.
    return image, jnp.zeros((2, 32, 32, 1)).at[0, 8:16, 13:20].set(1).at[1, 24:, 28:].set(1)


@pytest.fixture(scope="module", params=SMALL.values(), ids=SMALL.keys())
def judged(request, example):
    """Parameters and a function that judges images."""
    network, (image, mask) = request.param, example
    params = jax.jit(network.init)(jax.random.key(0), image, mask)["params"]

    @jax.jit
    def judge(params, image):
        return network.apply({"params": params}, image, mask, mutable=["batch_stats"])[0]

    return params, judge


def windows(x):
    return np.stack([np.asarray(x)[i, r : r + 16, c : c + 16] for i, (r, c) in enumerate(CORNERS)])


@pytest.mark.parametrize(
    ("config", "count"),
    [(GlobalLocalCriticsConfig(), 7_072_770), (ContextDiscriminatorConfig(), 45_060_225)],
)
def test_published_sizes(config, count):
    image, mask = jnp.zeros((1, 256, 256, 3)), jnp.zeros((1, 256, 256, 1))
    network = config.build(jnp.float32)
    params = jax.eval_shape(network.init, jax.random.key(0), image, mask)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_widths_are_the_papers():
    image, mask = jnp.zeros((1, 256, 256, 3)), jnp.zeros((1, 256, 256, 1))

    def widths(network):
        judge, _ = jax.eval_shape(network.init_with_output, jax.random.key(0), image, mask)
        return [(x.shape[1], x.shape[3]) for x in judge["features"]]

    assert widths(GlobalLocalCritics()) == [
        *[(128, 64), (64, 128), (32, 256), (16, 256)],
        *[(64, 64), (32, 128), (16, 256), (8, 512)],
    ]
    assert widths(ContextDiscriminator()) == [
        *[(128, 64), (64, 128), (32, 256), (16, 512), (8, 512), (4, 512)],
        *[(64, 64), (32, 128), (16, 256), (8, 512), (4, 512)],
    ]


def test_the_local_branch_sees_the_window_and_nothing_else(judged, example):
    params, judge = judged

    def response(image):
        # Four maps of the image come first.
        return sum(jnp.sum(x**2) for x in judge(params, image)["features"][4:])

    gradient = np.asarray(jax.grad(response)(example[0]))
    inside = np.zeros(gradient.shape, bool)
    for i, (row, column) in enumerate(CORNERS):
        inside[i, row : row + 16, column : column + 16] = True
    assert (gradient[~inside] == 0).all()
    assert (gradient[inside] != 0).mean() > 0.9


def test_the_critics_are_the_published_ones(example):
    """k5 s2 'SAME', which at even sizes pads one pixel before and two behind."""
    image, mask = example
    network = SMALL["critics"]
    params = jax.jit(network.init)(jax.random.key(0), image, mask)["params"]

    def critic(x, name):
        for layer in params[name].values():
            weights = torch.from_numpy(np.array(layer["conv"]["kernel"])).permute(3, 2, 0, 1)
            x = nn.functional.pad(x, (1, 2, 1, 2))
            x = nn.functional.leaky_relu(nn.functional.conv2d(x, weights, stride=2), 0.2)
        return from_torch(x).reshape(2, -1) @ params[f"{name}_logit"]["kernel"]

    logits = jax.jit(network.apply)({"params": params}, image, mask)["logits"]
    assert len(logits) == 2
    np.testing.assert_allclose(logits[0], critic(to_torch(image), "global"), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        logits[1], critic(to_torch(windows(image)), "local"), rtol=1e-3, atol=1e-5
    )


def test_the_context_discriminator_is_the_published_one(example):
    image, mask = example

    def branch(*widths):
        layers = []
        for inputs, outputs in zip((3, *widths), widths, strict=False):
            conv = nn.Conv2d(inputs, outputs, 5, stride=2, padding=2, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * 4, 8), nn.ReLU())

    twins = {"global": branch(2, 4, 8, 16), "local": branch(2, 4, 8)}
    params = {}
    for name, twin in twins.items():
        randomize(twin)
        numbers = {key: value.detach().numpy() for key, value in twin.named_parameters()}
        last = len(twin) - 2
        params[name] = {
            f"conv{i // 3 + 1}": {
                "conv": {"kernel": kernel(twin[i].weight)},
                "norm": {"scale": numbers[f"{i + 1}.weight"], "bias": numbers[f"{i + 1}.bias"]},
            }
            for i in range(0, last - 1, 3)
        }
        # PyTorch flattens channels first.
        dense = numbers[f"{last}.weight"].reshape(8, -1, 2, 2).transpose(2, 3, 1, 0).reshape(-1, 8)
        params[f"{name}_dense"] = {"kernel": dense, "bias": numbers[f"{last}.bias"]}
    weights = np.random.default_rng(0).normal(size=(16, 1)).astype(np.float32)
    params["logit"] = {"kernel": weights, "bias": np.array([0.5], np.float32)}

    codes = [twins["global"](to_torch(image)), twins["local"](to_torch(windows(image)))]
    expected = torch.cat(codes, dim=1).detach().numpy() @ weights + 0.5
    judge = jax.jit(partial(SMALL["context"].apply, mutable=["batch_stats"]))
    (logits,) = judge({"params": params}, image, mask)[0]["logits"]
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def test_masked_gradients_are_those_of_the_official_penalty(example):
    """There, the local critic's penalty is taken on cut-out windows with the mask cut out alike."""
    image, mask = example
    network = SMALL["critics"]
    params = jax.jit(network.init)(jax.random.key(0), image, mask)["params"]

    def judge(image):
        return jnp.sum(network.apply({"params": params}, image, mask)["logits"][1])

    def judge_window(window):
        # A window that takes up the whole image, which the other critic would see smaller, too.
        other = {"kernel": np.zeros((8, 1)), "bias": np.zeros(1)}
        variables = {"params": {**params, "global_logit": other}}
        critics = GlobalLocalCritics(width=2, window=1.0)
        everywhere = jnp.ones_like(window[..., :1])
        return jnp.sum(critics.apply(variables, window, everywhere)["logits"][1])

    gradient = jax.jit(jax.grad(judge))(image) * mask
    expected = jax.jit(jax.grad(judge_window))(jnp.asarray(windows(image))) * windows(mask)
    np.testing.assert_allclose(windows(gradient), expected, rtol=1e-4, atol=1e-6)
    # Nothing is left out: the windows hold all of the holes.
    np.testing.assert_allclose(np.sum(gradient**2), np.sum(expected**2), rtol=1e-4)


def test_another_size_than_at_first_is_refused(judged):
    params, judge = judged
    with pytest.raises((flax.errors.ScopeParamShapeError, TypeError, ValueError)):
        judge(params, jnp.zeros((2, 64, 64, 3)))


@pytest.mark.parametrize("kind", [GlobalLocalCriticsConfig, ContextDiscriminatorConfig])
def test_windows_larger_than_the_image_are_refused(kind):
    with pytest.raises(ValueError, match="window"):
        kind(window=1.5)
