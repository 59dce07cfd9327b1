"""Progressive training: sizes follow one another, the state goes on, resuming is exact."""

import dataclasses

import jax
import numpy as np
import pytest

from jax_inpaint.config import DataConfig, Stage, TrainConfig
from jax_inpaint.training.mesh import device_mesh, place_state
from jax_inpaint.training.parallel import parallel_step
from jax_inpaint.training.stages import StagedBatches
from jax_inpaint.training.state import init_state
from tests.small import small


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("photographs"))
    return small(
        data=DataConfig(size=(48, 32), directory=folder),
        train=TrainConfig(
            batch_size=2, steps=7, stages=(Stage(2, (16, 16), 4), Stage(5, (32, 32), 3))
        ),
    )


def shapes(batches, count):
    return [next(batches)["image"].shape for _ in range(count)]


def test_sizes_and_batches_follow_the_stages(config):
    batches = StagedBatches(config, 0)
    expected = [(4, 16, 16, 3)] * 2 + [(3, 32, 32, 3)] * 3 + [(2, 48, 32, 3)] * 2
    assert shapes(batches, 7) == expected
    batches.close()


@pytest.mark.parametrize("first_step", [1, 2, 4, 5, 6])
def test_a_resumed_run_sees_the_same_batches(config, first_step):
    whole, rest = StagedBatches(config, 0), StagedBatches(config, first_step)
    images = [next(whole)["image"] for _ in range(7)]
    for image in images[first_step:]:
        np.testing.assert_array_equal(next(rest)["image"], image)
    whole.close()
    rest.close()


@pytest.mark.slow
def test_the_state_goes_on_from_size_to_size(config):
    mesh = device_mesh(devices=jax.devices()[:1])
    state = place_state(init_state(config), mesh)
    structure = jax.tree.structure(state)
    step = parallel_step(config, mesh)
    batches = StagedBatches(config, 1)
    for number in (1, 2):
        state, metrics = step(state, next(batches), number)
        assert all(np.isfinite(value) for value in metrics.values())
    batches.close()
    assert jax.tree.structure(state) == structure
    assert int(state.step) == 2


def test_stages_must_rise_and_fit_the_network(config):
    with pytest.raises(ValueError, match="stages whose ends rise"):
        TrainConfig(stages=(Stage(5, (16, 16), 2), Stage(5, (32, 32), 2)))
    with pytest.raises(
        ValueError, match="multiples of 8 for deepfillv2, up to 65536, got \\(20, 16\\)"
    ):
        dataclasses.replace(config, train=TrainConfig(stages=(Stage(5, (20, 16), 2),)))
