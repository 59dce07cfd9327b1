"""The same step however devices are arranged: by images, by state, by rows; in parts or at once."""

import dataclasses

import jax
import numpy as np
import pytest

from jax_inpaint.config import (
    Config,
    ConfigError,
    DataConfig,
    MeshConfig,
    OptimizerConfig,
    Phase,
    Stage,
    TrainConfig,
)
from jax_inpaint.training.mesh import device_mesh, place_state, whole
from jax_inpaint.training.parallel import parallel_step, parallel_steps
from jax_inpaint.training.schedule import steps_in_a_call
from jax_inpaint.training.state import init_state
from tests.small import OFFICIAL, small

# Adam's first steps move a parameter by its learning rate whichever way rounding tips a tiny
# gradient; at a low rate that doesn't show in the next step's metrics.
RATE = 1e-5

# 16 rows for each of four devices.
CONFIG = small(
    data=DataConfig(size=(64, 32)),
    train=TrainConfig(batch_size=4),
    generator_optimizer=OptimizerConfig(learning_rate=RATE),
    discriminator_optimizer=OptimizerConfig(learning_rate=RATE),
)


def after_two_steps(config: Config, devices: int):
    mesh = device_mesh(config.mesh, jax.devices()[:devices])
    state = place_state(init_state(config), mesh)
    step = parallel_step(config, mesh)
    rng = np.random.default_rng(0)
    for number in range(2):
        images = rng.integers(0, 256, (4, *config.data.size, 3), np.uint8)
        state, metrics = step(state, {"image": images}, number)
    return state, jax.device_get(metrics)


@pytest.fixture(scope="module")
def one_device():
    return after_two_steps(CONFIG, 1)


@pytest.mark.parametrize(
    ("mesh", "changes", "devices"),
    [
        (MeshConfig(fsdp=2), {"remat": True, "accumulate": 2}, 2),
        (MeshConfig(spatial=2), {}, 2),
        pytest.param(MeshConfig(), {"accumulate": 4}, 1, marks=pytest.mark.slow),
        pytest.param(MeshConfig(fsdp=2, spatial=2), {}, 8, marks=pytest.mark.slow),
        pytest.param(MeshConfig(spatial=4), {"accumulate": 2}, 8, marks=pytest.mark.slow),
    ],
)
def test_every_arrangement_learns_the_same(one_device, mesh, changes, devices):
    train = dataclasses.replace(CONFIG.train, **changes)
    state, metrics = after_two_steps(dataclasses.replace(CONFIG, train=train, mesh=mesh), devices)
    expected_state, expected_metrics = one_device
    for name, value in expected_metrics.items():
        assert metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
    differences = [
        np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).ravel()
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(expected_state), strict=True)
    ]
    assert max(difference.max() for difference in differences) <= 4.1 * RATE
    assert np.quantile(np.concatenate(differences), 0.9) < 0.1 * RATE


def test_several_steps_in_a_call_are_the_same_steps(one_device):
    mesh = device_mesh(MeshConfig(), jax.devices()[:2])
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (4, *CONFIG.data.size, 3), np.uint8) for _ in range(2)]
    steps = parallel_steps(CONFIG, mesh)
    state, metrics = steps(
        place_state(init_state(CONFIG), mesh), [{"image": image} for image in images], 0
    )
    assert int(state.step) == 2
    for name, value in one_device[1].items():
        assert metrics[name].shape == (2,)
        assert metrics[name][1] == pytest.approx(value, rel=1e-3, abs=1e-5), name


@pytest.mark.parametrize(
    ("step", "count"),
    [
        (0, 4),
        (4, 4),
        (8, 1),  # a checkpoint is due after step 10
        (10, 4),
        (14, 1),  # a picture after 15
        (25, 1),  # another stage from 27
        (26, 1),
        (30, 4),
        (37, 1),  # the run ends at 40
    ],
)
def test_a_call_never_passes_over_anything(step, count):
    train = TrainConfig(
        steps=40, checkpoint_every=10, image_every=15, stages=(Stage(27, (16, 16), 8),)
    )
    assert steps_in_a_call(small(train=train), step, 4) == count


def test_a_call_is_of_one_phase():
    phases = (Phase(until=6, discriminator=False), Phase(until=0))
    config = small(objective=dataclasses.replace(OFFICIAL, phases=phases))
    assert [steps_in_a_call(config, step, 3) for step in (0, 3, 4, 6)] == [3, 3, 1, 3]
    critic = small(objective=dataclasses.replace(OFFICIAL, n_critic=2))
    assert steps_in_a_call(critic, 0, 2) == 1


def test_large_arrays_are_shared_along_fsdp_and_gathered_whole():
    mesh = device_mesh(MeshConfig(fsdp=4), jax.devices()[:4])
    state = init_state(CONFIG)
    placed = place_state(state, mesh)
    kernel = lambda s: s.generator["refinement"]["xconv6"]["conv"]["kernel"]  # noqa: E731
    assert kernel(placed).addressable_data(0).size * 4 == kernel(placed).size
    shared = sum(leaf.addressable_data(0).nbytes for leaf in jax.tree.leaves(placed))
    assert shared < 0.4 * sum(leaf.nbytes for leaf in jax.tree.leaves(placed))
    for a, b in zip(
        jax.tree.leaves(whole(placed.ema, mesh)), jax.tree.leaves(state.ema), strict=True
    ):
        np.testing.assert_array_equal(a, b)
        assert len(a.devices()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mesh": MeshConfig(fsdp=3)}, "mesh.fsdp 3 times mesh.spatial 1 must divide .* 8"),
        (
            {"mesh": MeshConfig(spatial=8)},
            "mesh.spatial 8 must split a height of 32 into multiples",
        ),
        (
            {"mesh": MeshConfig(fsdp=2), "train": TrainConfig(parallel="shard_map", batch_size=8)},
            "need train.parallel jit, got shard_map",
        ),
        (
            {"train": TrainConfig(batch_size=8, accumulate=2)},
            "batch_size 8 must be a multiple of .* 8 times train.accumulate 2",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    config = small(**changes)
    with pytest.raises(ConfigError, match=message):
        parallel_step(config, device_mesh(config.mesh))
