"""How runs end that can't go on."""

import dataclasses
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from jax_inpaint.config import OptimizerConfig, TrainConfig
from jax_inpaint.training.failures import MemoryShortageError, telling_what_helps
from jax_inpaint.training.mesh import device_mesh, place_state
from jax_inpaint.training.parallel import parallel_step
from jax_inpaint.training.state import init_state
from tests.small import SMALL, small
from tests.training.runs import lines_of, wait_for_step

SPEAKER = """
import sys
from jax_inpaint.processes import last_words
with last_words("these are my last words"):
    print("alive", flush=True)
    sys.stdin.read()
"""


def test_last_words_are_said_after_a_kill_and_only_then():
    for kill in (True, False):
        process = subprocess.Popen(
            [sys.executable, "-c", SPEAKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "alive\n"
        if kill:
            process.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if kill else 0)
        assert ("these are my last words" in errors) == kill, errors


def test_a_program_ends_well_though_nobody_is_left_to_say_its_last_words():
    script = """
import os
from pathlib import Path
from jax_inpaint.processes import last_words
with last_words("these are my last words"):
    me = os.getpid()
    child = Path(f"/proc/{me}/task/{me}/children").read_text()
    os.kill(int(child), 9)
    os.waitid(os.P_PID, int(child), os.WEXITED | os.WNOWAIT)
print("done")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


def test_a_host_without_memory_is_told_what_lowers_it():
    script = """
import resource
import numpy as np
from jax_inpaint.training.failures import telling_what_helps
from tests.small import SMALL
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
try:
    with telling_what_helps(SMALL):
        np.ones((2**34,), np.uint8)
except ValueError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "the host ran out of memory (Unable to allocate 16.0 GiB" in result.stdout, result
    for setting in ("data.workers (now 0)", "data.threads", "train.batch_size (4)"):
        assert setting in result.stdout


def test_a_device_without_memory_is_told_what_lowers_it():
    with (
        pytest.raises(MemoryShortageError, match=r"a device ran out of memory.*train.accumulate"),
        telling_what_helps(SMALL),
    ):
        jax.jit(lambda: jax.numpy.ones((2**45,), np.uint8))()


def test_other_errors_stay_what_they_are():
    with pytest.raises(jax.errors.JaxRuntimeError, match="INVALID"), telling_what_helps(SMALL):
        raise jax.errors.JaxRuntimeError("INVALID_ARGUMENT: something else")


def test_a_step_that_is_not_finite_can_be_left_out():
    config = small(
        generator_optimizer=OptimizerConfig(learning_rate=1e38),
        train=TrainConfig(batch_size=2, skip_not_finite=1),
    )
    batch = {"image": np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)}
    mesh = device_mesh(devices=jax.devices()[:1])
    before = init_state(config)
    state = place_state(jax.tree.map(np.asarray, before), mesh)
    state, metrics = parallel_step(config, mesh)(state, batch, 0)
    assert not np.isfinite(metrics["parameter_norm"])
    assert int(state.step) == 1
    unchanged = dataclasses.replace(state, step=before.step)
    for a, b in zip(jax.tree.leaves(unchanged), jax.tree.leaves(before), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_run_leaves_out_so_many_steps_in_a_row_and_then_stops(run_training, tmp_path):
    status, output = run_training(
        *("--workdir", str(tmp_path / "run"), "--train.skip-not-finite", "2"),
        *("--generator-optimizer.learning-rate", "1e38"),
    )
    assert status == 1
    assert re.search(
        r"step 1: .*parameter_norm not finite; the step is left out \(1 in a row", output
    )
    assert "left out (2 in a row)" in output
    assert re.search(r"error: step 3: \w+ is (nan|inf)", output), output


@pytest.mark.slow
def test_a_killed_run_says_what_mostly_kills(start_training, tmp_path):
    workdir = tmp_path / "run"
    process = start_training("--workdir", str(workdir))
    wait_for_step(process, workdir, 1)
    process.kill()
    output, _ = process.communicate(timeout=60)
    assert "for lack of memory: train.batch_size" in output
    assert lines_of(workdir / "metrics.jsonl")
