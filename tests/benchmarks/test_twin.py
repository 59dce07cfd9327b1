"""The PyTorch twin, which ours is timed against, does the same: pictures, gradients, updates."""

import dataclasses
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from benchmarks.twin import Form, build_fill, build_step, training_step
from benchmarks.twin.forms import generate
from benchmarks.twin.network import from_flax, load_discriminator, load_generator
from jax_inpaint.config import TrainConfig
from jax_inpaint.images import to_uint8
from jax_inpaint.ops.spectral import spectral_normalize
from jax_inpaint.training.state import init_state
from jax_inpaint.training.step import make_train_step
from tests.small import small
from tests.twins.agreement import assert_agreement, picture_and_mask
from tests.twins.torch_arrays import from_torch, to_torch

# Kernels that let colours of the hole have contrast before anything is learnt.
CONFIG = small(train=TrainConfig(steps=10, initial_gain=2.8))


@cache
def starting_state():
    """Biases are random, so that one in another's place would show."""
    rng = np.random.default_rng(0)

    def with_bias(path, leaf):
        noise = 0.1 * rng.standard_normal(leaf.shape).astype(np.float32)
        return jnp.asarray(noise) if "bias" in str(path) else leaf

    state = init_state(CONFIG)
    generator, discriminator = (
        jax.tree.map_with_path(with_bias, tree) for tree in (state.generator, state.discriminator)
    )
    ema = {"params": generator, "batch_stats": {}}
    return dataclasses.replace(state, generator=generator, discriminator=discriminator, ema=ema)


@cache
def pictures_and_masks(height=64, width=64):
    """Two pictures, each with a mask of its own."""
    pictures, masks = zip(*(picture_and_mask(height, width, seed) for seed in (0, 1)), strict=True)
    return np.concatenate(pictures), np.concatenate([masks[0], np.roll(masks[1], 11, axis=1)])


def test_pictures_of_both_stages_are_ours():
    picture, mask = pictures_and_masks(64, 96)
    params = starting_state().generator
    ours = jax.jit(CONFIG.generator.build().apply)({"params": params}, picture, mask)
    with torch.no_grad():
        theirs = generate(load_generator(params), to_torch(picture), to_torch(mask))
    for name, images in zip(("coarse", "refined", "composite"), theirs, strict=True):
        assert_agreement(from_torch(images), np.asarray(ours[name]), mask)


@pytest.mark.parametrize(
    ("form", "tolerance"),
    [
        (Form(), 1e-5),
        (Form(channels_last=True), 1e-5),
        (Form(channels_last=True, bfloat16=True), 0.05),
    ],
    ids=str,
)
def test_fills_are_the_same_in_every_form(form, tolerance):
    picture, mask = map(to_torch, pictures_and_masks())
    params = starting_state().generator
    with torch.no_grad():
        _, _, expected = generate(load_generator(params), picture, mask)
    got = build_fill(params, form)(picture, mask)
    hole = (mask > 0).expand_as(got)
    assert got.dtype == torch.float32
    assert torch.equal(got[~hole], picture[~hole])
    assert (got - expected)[hole].abs().mean() < tolerance * expected[hole].std()


def test_spectral_norm_and_its_gradient_are_ours():
    rng = np.random.default_rng(0)
    kernel, weight = jnp.asarray(rng.standard_normal((2, 5, 5, 3, 7)), jnp.float32)
    u = jnp.asarray(rng.standard_normal((1, 7)), jnp.float32)

    def ours(kernel, gradient):
        normalized, vectors = spectral_normalize({"kernel": kernel}, {"kernel": u}, gradient)
        return jnp.sum(normalized["kernel"] * weight), (normalized["kernel"], vectors["kernel"])

    theirs = from_flax(kernel).requires_grad_()
    (normalized,), (vector,) = training_step.spectral_normalize([theirs], [from_flax(u)])
    (normalized * from_flax(weight)).sum().backward()
    gradient, (expected, new_u) = jax.grad(ours, has_aux=True)(kernel, "official")
    through_sigma, _ = jax.grad(ours, has_aux=True)(kernel, "sigma")
    np.testing.assert_allclose(normalized.detach(), from_flax(expected), atol=1e-6)
    np.testing.assert_allclose(vector, new_u, atol=1e-6)
    tolerance = 1e-5 * np.abs(gradient).max()
    np.testing.assert_allclose(theirs.grad, from_flax(gradient), atol=tolerance)
    assert np.abs(gradient - through_sigma).max() > 100 * tolerance


@cache
def batch():
    """As ours and as PyTorch takes it."""
    picture, mask = pictures_and_masks()
    ours = {"image": to_uint8(picture), "mask": mask.astype(np.uint8)}
    return ours, {name: to_torch(value) for name, value in ours.items()}


@cache
def our_steps():
    """Our states and metrics after one step and after two."""
    train_step, state, seen = jax.jit(make_train_step(CONFIG)), starting_state(), []
    for _ in range(2):
        state, metrics = train_step(state, batch()[0], {})
        seen.append((state, metrics))
    return seen


LOADS = {"generator": load_generator, "discriminator": load_discriminator}


@pytest.mark.parametrize("form", [Form(), Form(channels_last=True)], ids=str)
def test_two_steps_are_ours(form):
    twin = build_step(CONFIG, starting_state(), form)
    for state, metrics in our_steps():
        for name, loss in twin(batch()[1]).items():
            assert float(loss) == pytest.approx(float(metrics[name]), rel=1e-4), name
        for name, load in LOADS.items():
            parameters = list(getattr(twin, name).parameters())
            expected = load(getattr(state, name)).parameters()
            # Updates tell little of gradients but their signs; first moments tell all.
            moments = getattr(twin, f"{name}_optimizer").state
            _, adam = getattr(state, f"{name}_optimizer")
            for parameter, moment in zip(parameters, load(adam.mu).parameters(), strict=True):
                error = (moments[parameter]["exp_avg"] - moment).abs().max()
                assert error <= 1e-3 * moment.abs().max()
            assert_same_updates(parameters, expected)
        average = load_generator(state.ema["params"]).parameters()
        assert_same_updates(twin.ema.parameters(), average)
        for vector, layer in zip(twin.vectors, state.spectral.values(), strict=True):
            np.testing.assert_allclose(vector, layer["conv"]["kernel"], atol=1e-5)


def assert_same_updates(got, expected):
    """Equal to a hundredth of what a step moves, but for a few numbers.

    Adam's first updates are signs of gradients, and where photographs and composites pull in
    opposite ways, a gradient is all rounding, and so is its sign.
    """
    pairs = zip(got, expected, strict=True)
    errors = torch.cat([(a - b).detach().abs().flatten() for a, b in pairs])
    rate = CONFIG.generator_optimizer.learning_rate
    assert errors.max() < 2 * rate
    assert (errors > 0.01 * rate).float().mean() < 0.01


def test_a_step_in_bfloat16_has_nearly_the_same_losses():
    twin = build_step(CONFIG, starting_state(), Form(channels_last=True, bfloat16=True))
    _, metrics = our_steps()[0]
    losses = twin(batch()[1])
    assert losses["coarse_l1"] != float(metrics["coarse_l1"])
    for name, loss in losses.items():
        assert float(loss) == pytest.approx(float(metrics[name]), abs=0.01), name
    for parameter in (*twin.generator.parameters(), *twin.discriminator.parameters()):
        assert parameter.dtype == torch.float32
        assert torch.isfinite(parameter).all()
