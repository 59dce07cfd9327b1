"""The same step on one device and, three ways, on eight."""

import re
from functools import cache

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from jax_inpaint.config import Config, GanConfig, ObjectiveConfig, Phase, TrainConfig
from jax_inpaint.losses.terms import L1, Adversarial, DiscountedL1, FeatureMatching
from jax_inpaint.models.context_encoder import ContextEncoderConfig
from jax_inpaint.models.lama import LaMaConfig
from jax_inpaint.models.patchgan import PatchGANConfig
from jax_inpaint.training.mesh import device_mesh, place_state
from jax_inpaint.training.parallel import parallel_step, sharded_step
from jax_inpaint.training.schedule import phase_at
from jax_inpaint.training.state import init_state
from tests.small import small


def config(parallel: str, batch_size: int = 8) -> Config:
    return small(train=TrainConfig(batch_size=batch_size, parallel=parallel))


def batch_norm(parallel: str) -> Config:
    """Batch norm in both networks, global statistics, penalties, phases: all that could differ."""
    return small(
        generator=ContextEncoderConfig(width=4),
        discriminator=PatchGANConfig(width=4, layers=2, norm="batch"),
        objective=ObjectiveConfig(
            terms=(
                L1(1.0, region="hole", mean="region"),
                DiscountedL1(1.0),
                Adversarial(0.1, region="hole"),
                FeatureMatching(1.0),
            ),
            gan=GanConfig(loss="bce", fake_target="hole", gradient_penalty=1.0, r1=0.1),
            phases=(Phase(until=1, discriminator=False), Phase(until=0)),
        ),
        train=TrainConfig(batch_size=8, parallel=parallel),
    )


def after_three_steps(mesh: Mesh, settings: Config):
    state = place_state(init_state(settings), mesh)
    step = parallel_step(settings, mesh)
    rng = np.random.default_rng(0)
    for number in range(3):
        images = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
        state, metrics = step(state, {"image": images}, number)
    return jax.device_get((state, metrics))


@pytest.fixture(scope="module")
def one_device():
    mesh = device_mesh(devices=jax.devices()[:1])
    return cache(lambda experiment: after_three_steps(mesh, experiment("jit")))


@pytest.mark.parametrize(
    ("experiment", "parallel"),
    [
        pytest.param(config, "jit", marks=pytest.mark.slow),  # test_mesh.py has it on two
        pytest.param(config, "shard_map", marks=pytest.mark.slow),
        pytest.param(config, "pmap", marks=pytest.mark.slow),
        pytest.param(batch_norm, "jit", marks=pytest.mark.slow),
        pytest.param(batch_norm, "shard_map", marks=pytest.mark.slow),
    ],
)
def test_eight_devices_agree_with_one(one_device, experiment, parallel):
    mesh = device_mesh()
    assert mesh.size == 8
    state, metrics = after_three_steps(mesh, experiment(parallel))
    expected_state, expected_metrics = one_device(experiment)
    for name, value in expected_metrics.items():
        assert metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
    # Adam's first steps move a parameter by its learning rate whichever way rounding tips a tiny
    # gradient (that of a bias before batch norm is nothing but rounding), so parameters may differ
    # by a part of three steps of 1e-4; the bulk must not.
    differences = [
        np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).ravel()
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(expected_state), strict=True)
    ]
    assert max(difference.max() for difference in differences) <= 6.1e-4
    assert np.quantile(np.concatenate(differences), 0.9) < 1e-5


def lama(parallel: str) -> Config:
    """Fourier convolutions, which the compiler can't split over a batch by itself."""
    return small(
        generator=LaMaConfig(width=4, blocks=1),
        discriminator=PatchGANConfig(width=4, layers=2),
        objective=ObjectiveConfig(terms=(L1(1.0, region="known"), Adversarial(0.1, "output"))),
        train=TrainConfig(batch_size=8, parallel=parallel),
    )


@pytest.mark.parametrize(
    ("experiment", "parallel"),
    [
        (config, "jit"),
        pytest.param(config, "shard_map", marks=pytest.mark.slow),
        (lama, "shard_map"),
    ],
)
def test_devices_exchange_nothing_but_sums_and_each_has_the_whole_state(experiment, parallel):
    settings, mesh = experiment(parallel), device_mesh()
    state = place_state(init_state(settings), mesh)
    batch = {"image": np.zeros((8, 32, 32, 3), np.uint8)}
    step = sharded_step(settings, phase_at(settings.objective, 0), mesh)
    program = step.lower(state, batch, {}).compile()
    exchanges = set(
        re.findall(
            r"\b(all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)",
            program.as_text(),
        )
    )
    assert exchanges == {"all-reduce"}
    new, _ = program(state, batch, {})
    for old, parameter in zip(*map(jax.tree.leaves, (state.generator, new.generator)), strict=True):
        assert old.is_deleted()  # the memory of what was is used for what is
        assert parameter.sharding.is_fully_replicated
        assert len(parameter.sharding.device_set) == 8


@pytest.mark.parametrize("parallel", ["jit", "shard_map", "pmap"])
def test_a_batch_that_devices_cannot_share_is_refused(parallel):
    with pytest.raises(ValueError, match=r"batch_size 6 must be a multiple of .* 8"):
        parallel_step(config(parallel, batch_size=6), device_mesh())
