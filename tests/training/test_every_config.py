"""Every file in configs/, shrunk: each of its phases trains, with all losses finite."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks.reduced import reduced, through_network, with_phases
from jax_inpaint.config import load_config
from jax_inpaint.features import check_layers
from jax_inpaint.features.files import random_feature_params
from jax_inpaint.losses.terms import feature_layers
from jax_inpaint.models import DISCRIMINATORS, GENERATORS
from jax_inpaint.training.mesh import device_mesh, place_state
from jax_inpaint.training.parallel import parallel_step
from jax_inpaint.training.schedule import phase_at
from jax_inpaint.training.state import describe_state, init_state
from jax_inpaint.training.step import make_train_step

CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.py"))


def shrunk(path):
    """Three steps in which every phase occurs; SqueezeNet stands in for larger networks."""
    config = reduced(load_config(path), generator_width=4, discriminator_width=4, batch_size=2)
    config = with_phases(config, tuple(range(1, len(config.objective.phases))))
    config = through_network(config, "squeezenet", ("fire2", "fire3"))
    objective = dataclasses.replace(config.objective, n_critic=min(config.objective.n_critic, 2))
    return dataclasses.replace(config, objective=objective)


@pytest.fixture(scope="module")
def squeezenet():
    return random_feature_params("squeezenet", jax.random.key(0))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_phase_can_be_traced(path, squeezenet):
    """What the slow test below computes, without computing it."""
    config = shrunk(path)
    state = describe_state(config)
    images = jax.ShapeDtypeStruct((2, *config.data.size, 3), np.uint8)
    names = set()
    for phase in {phase_at(config.objective, step) for step in range(3)}:
        step = make_train_step(config, phase)
        after, metrics = jax.eval_shape(step, state, {"image": images}, {"squeezenet": squeezenet})
        assert jax.tree.structure(after) == jax.tree.structure(state)
        assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
            lambda a: (a.shape, a.dtype), state
        )
        names |= metrics.keys()
    assert names >= {term.name for term in config.objective.terms}


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_three_steps_have_finite_losses_and_teach_both_networks(path, squeezenet):
    config = shrunk(path)
    mesh = device_mesh(devices=jax.devices()[:1])
    first = state = place_state(init_state(config), mesh)
    before = jax.device_get(first)
    step = parallel_step(config, mesh, {"squeezenet": squeezenet})
    rng = np.random.default_rng(0)
    names = set()
    for number in range(3):
        images = rng.integers(0, 256, (2, *config.data.size, 3), np.uint8)
        state, metrics = step(state, {"image": images}, number)
        for name, value in metrics.items():
            assert np.isfinite(value), (number, name)
        names |= metrics.keys()
    assert names >= {term.name for term in config.objective.terms}
    after = jax.device_get(state)
    assert jax.tree.structure(after) == jax.tree.structure(before)
    for part in ("generator", "discriminator", "ema"):
        leaves = zip(*(jax.tree.leaves(getattr(s, part)) for s in (before, after)), strict=True)
        if config.discriminator or part != "discriminator":
            assert any(np.abs(a - b).max() > 0 for a, b in leaves), part


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_feature_terms_name_layers_that_exist(path):
    for network, layers in feature_layers(load_config(path).objective.terms).items():
        check_layers(network, layers)


def test_every_architecture_has_a_config():
    configs = [load_config(path) for path in CONFIGS]
    assert {config.generator.architecture for config in configs} == GENERATORS.keys()
    used = {config.discriminator.architecture for config in configs if config.discriminator}
    assert used == DISCRIMINATORS.keys()


def test_who_learns_when():
    """The published schedules, read off the files."""
    objective = {path.stem: load_config(path).objective for path in CONFIGS}
    wasserstein = [phase_at(objective["deepfillv1_places2"], step).generator for step in range(10)]
    assert wasserstein == [False] * 4 + [True] + [False] * 4 + [True]
    ends = [phase.until for phase in objective["partial_unet_places2"].phases]
    assert ends == [500_000, 0]
    assert objective["partial_unet_places2"].phases[1].freeze_encoder_norm
