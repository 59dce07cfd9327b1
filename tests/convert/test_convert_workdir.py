"""The averaged generator out of the checkpoints of our own runs."""

import dataclasses
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.convert import ConvertError, convert
from jax_inpaint.models.lama import LaMaConfig
from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.state import TrainState
from jax_inpaint.training.workdir import open_workdir
from jax_inpaint.weights import load_weights, save_weights
from tests.small import small


def variables_of(generator, seed):
    """Random ones, on all devices."""
    image, mask = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 16, 16, 1))
    shapes = jax.eval_shape(generator.build().init, jax.random.key(0), image, mask)
    rng = np.random.default_rng(seed)
    variables = jax.tree.map(lambda leaf: np.float32(rng.normal(size=leaf.shape)), shapes)
    everywhere = jax.NamedSharding(jax.make_mesh((8,), ("batch",)), jax.P())
    return jax.device_put({"batch_stats": {}, **variables}, everywhere)


def save_run(config, averages):
    """A workdir with a checkpoint of each step; the rest of the state is small."""
    with open_workdir(config) as workdir:
        checkpoints = Checkpoints(workdir, keep=len(averages))
        for step, average in averages.items():
            state = TrainState(jnp.int32(step), {"w": jnp.ones(2)}, {}, {}, {}, (), (), average)
            checkpoints.save(step, state, config, {"hole_l1": 0.1})
        checkpoints.close()
    return workdir


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A workdir with checkpoints of two steps, its configuration, and their averages."""
    config = small(workdir=str(tmp_path_factory.mktemp("run") / "run"))
    averages = {step: variables_of(config.generator, step) for step in (3, 5)}
    return save_run(config, averages), config, averages


def listing(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_the_average_of_any_saved_step_comes_back_and_the_run_stays_as_it_is(run):
    workdir, config, averages = run
    before = listing(workdir)
    for step, saved in ((3, 3), (5, 5), (None, 5)):
        kind, generator, variables, _ = convert(workdir, step=step)
        assert kind == f"a training run at step {saved}"
        assert generator == config.generator
        assert variables.keys() == {"params", "batch_stats"}
        jax.tree.map(np.testing.assert_array_equal, variables, averages[saved])
    assert listing(workdir) == before


def test_batch_statistics_come_along(tmp_path):
    config = small(generator=LaMaConfig(width=2, blocks=1), workdir=str(tmp_path / "run"))
    average = variables_of(config.generator, 0)
    _, generator, variables, _ = convert(save_run(config, {1: average}))
    assert generator == config.generator
    assert jax.tree.leaves(variables["batch_stats"])
    jax.tree.map(np.testing.assert_array_equal, variables, average)


def test_steps_that_are_not_there_are_said(run, tmp_path):
    workdir, config, _ = run
    with pytest.raises(ConvertError, match="no checkpoint of step 4; steps 3, 5 are"):
        convert(workdir, step=4)
    with pytest.raises(ConvertError, match="no colour order to set"):
        convert(workdir, color_order="bgr")
    with open_workdir(dataclasses.replace(config, workdir=str(tmp_path / "empty"))) as empty:
        (empty / "checkpoints").mkdir()
    with pytest.raises(ConvertError, match="no complete checkpoint yet"):
        convert(empty)


def test_damaged_checkpoints_are_named(run, tmp_path):
    copy = Path(shutil.copytree(run[0], tmp_path / "copy"))
    config_file = copy / "checkpoints" / "5" / "config" / "metadata"
    config_file.write_bytes(config_file.read_bytes()[:-1])
    before = listing(copy)
    with pytest.raises(ConvertError, match=rf"{config_file} is damaged .* of steps 3, 5 \(--step"):
        convert(copy)
    assert convert(copy, step=3).kind == "a training run at step 3"
    assert listing(copy) == before


def test_weights_of_ours_stay_as_they_are(run, tmp_path):
    _, config, averages = run
    path = tmp_path / "weights.safetensors"
    save_weights(path, config.generator, averages[3])
    for source in (path, tmp_path):
        kind, generator, variables, _ = convert(source)
        assert (kind, generator) == ("weights of jax_inpaint", config.generator)
        jax.tree.map(np.testing.assert_array_equal, variables, load_weights(path)[1])
    with pytest.raises(ConvertError, match="no workdir of a training run, so it has no step 3"):
        convert(path, step=3)
