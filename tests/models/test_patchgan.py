from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_inpaint.models.patchgan import PatchGANConfig
from tests.twins.patchgan import MultiscaleDiscriminator
from tests.twins.torch_arrays import from_torch, kernel, randomize, to_torch


def shapes(config, size=64):
    image, mask = jnp.zeros((1, size, size, 3)), jnp.zeros((1, size, size, 1))
    model = config.build(jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image, mask)
    apply = partial(model.apply, mutable=["batch_stats"])
    return variables["params"], jax.eval_shape(apply, variables, image, mask)[0]


def count(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def images(*shape):
    return jax.random.uniform(jax.random.key(1), (*shape, 3), minval=-1, maxval=1)


def variables_of(twin):
    """Our parameters, from those of the twin."""
    params = {}
    for scale in range(twin.scales):
        layers = {}
        for layer in range(twin.layers + 2):
            block = getattr(twin, f"scale{twin.scales - 1 - scale}_layer{layer}")
            name = f"conv{layer + 1}" if layer <= twin.layers else "logits"
            bias = jnp.asarray(block[0].bias.detach().numpy())
            layers[name] = {"kernel": kernel(block[0].weight), "bias": bias}
            if len(block) == 3 and block[1].weight is not None:
                scale_, bias = (p.detach().numpy() for p in (block[1].weight, block[1].bias))
                layers[f"norm{layer + 1}"] = {"scale": scale_, "bias": bias}
        params[f"scale{scale + 1}"] = layers
    return {"params": params}


@pytest.mark.parametrize(
    ("config", "norm"),
    [
        (PatchGANConfig(width=4, layers=4), torch.nn.BatchNorm2d),
        (PatchGANConfig(width=4, layers=2, scales=2, norm="instance"), torch.nn.InstanceNorm2d),
    ],
)
def test_it_is_the_published_network(config, norm):
    twin = MultiscaleDiscriminator(config.width, config.layers, config.scales, norm)
    randomize(twin)
    x = images(2, 40, 56)
    expected = [[from_torch(m) for m in maps] for maps in twin.train()(to_torch(x))]
    apply = jax.jit(partial(config.build(jnp.float32).apply, mutable=["batch_stats"]))
    judged, _ = apply(variables_of(twin), x, jnp.zeros((2, 40, 56, 1)))
    assert len(judged["logits"]) == config.scales
    for got, maps in zip(judged["logits"], expected, strict=True):
        np.testing.assert_allclose(got, maps[-1], rtol=1e-4, atol=1e-4)
    features = [m for maps in expected for m in maps[:-1]]
    for got, expected_map in zip(judged["features"], features, strict=True):
        np.testing.assert_allclose(got, expected_map, rtol=1e-4, atol=1e-4)


def test_published_numbers_of_parameters_and_logits():
    lama, judged = shapes(PatchGANConfig(layers=4), size=256)
    assert count(lama) == 6_962_369
    assert [x.shape for x in judged["logits"]] == [(1, 19, 19, 1)]
    aotgan = PatchGANConfig(padding=1, norm="none", spectral_norm=True, unnormalized=("logits",))
    params, judged = shapes(aotgan, size=512)
    assert count(params) == 2_763_777
    assert [x.shape for x in judged["logits"]] == [(1, 62, 62, 1)]
    assert {name for name, layer in params["scale1"].items() if "bias" in layer} == {"logits"}


def test_a_logit_sees_70_pixels_with_three_strides():
    model = PatchGANConfig(width=2, norm="none").build(jnp.float32)
    x, mask = images(1, 128, 128), jnp.zeros((1, 128, 128, 1))
    variables = jax.jit(model.init)(jax.random.key(0), x, mask)
    logit = lambda x: model.apply(variables, x, mask)["logits"][0][0, 8, 8, 0]  # noqa: E731
    gradient = jax.jit(jax.grad(logit))(x)
    rows = np.flatnonzero(np.abs(gradient).max((0, 2, 3)))
    assert rows[-1] - rows[0] + 1 == 70


@pytest.mark.parametrize(("condition", "channels"), [("none", 3), ("mask", 4), ("masked_image", 6)])
def test_conditions_are_more_channels(condition, channels):
    params, _ = shapes(PatchGANConfig(width=2, condition=condition))
    assert params["scale1"]["conv1"]["kernel"].shape == (4, 4, channels, 2)


def test_attention_starts_as_the_identity():
    x, mask = images(1, 32, 32), jnp.zeros((1, 32, 32, 1))
    attentive = PatchGANConfig(width=2, norm="none", self_attention=True).build(jnp.float32)
    variables = jax.jit(attentive.init)(jax.random.key(0), x, mask)
    assert variables["params"]["scale1"]["attention"]["gamma"] == 0
    plain = PatchGANConfig(width=2, norm="none").build(jnp.float32)
    rest = dict(variables["params"]["scale1"])
    del rest["attention"]
    np.testing.assert_array_equal(
        attentive.apply(variables, x, mask)["logits"][0],
        plain.apply({"params": {"scale1": rest}}, x, mask)["logits"][0],
    )


def test_bfloat16_gives_float32_logits_and_features():
    model = PatchGANConfig(width=2, self_attention=True).build(jnp.bfloat16)
    x, mask = images(1, 32, 32), jnp.zeros((1, 32, 32, 1))
    variables = jax.eval_shape(model.init, jax.random.key(0), x, mask)
    judged, _ = jax.eval_shape(
        lambda v: model.apply(v, x, mask, mutable=["batch_stats"]), variables
    )
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, judged))} == {jnp.dtype("float32")}


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="scales"):
        PatchGANConfig(scales=0)
