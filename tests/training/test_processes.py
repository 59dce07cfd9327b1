"""Real processes that train together, each with devices of its own, joined by gloo."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks.soak import saved_state
from jax_inpaint.config import ConfigError
from jax_inpaint.processes import (
    LostProcessError,
    Place,
    joining,
    noticing_lost_processes,
    parse_place,
)
from jax_inpaint.training.workdir import NotWrittenError
from tests.training.runs import lines_of, unfinished, wait_for_step

STEPS = 6
LAYOUTS = [(1, 1), (1, 4), (2, 2), (4, 1)]  # processes x devices of each
SLOW_LAYOUTS = [pytest.param(layout, marks=pytest.mark.slow) for layout in LAYOUTS[1:]]


@pytest.fixture(scope="module")
def start_processes(start_training) -> Callable[..., list[subprocess.Popen[str]]]:
    """Starts a tiny run over (processes, devices); returns the processes."""

    def start(layout: tuple[int, int], workdir: Path, *arguments: str):
        count, devices = layout
        flags = ["--workdir", str(workdir), "--train.batch-size", "4", "--train.steps", str(STEPS)]
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        if count == 1:
            return [start_training(*flags, *arguments, devices=devices)]
        flags += ["--coordinator", f"127.0.0.1:{port}", "--processes", str(count)]
        return [
            start_training(*flags, "--process", str(number), *arguments, devices=devices)
            for number in range(count)
        ]

    return start


def ends(processes: Sequence[subprocess.Popen[str]], limit: float = 400) -> list[tuple[int, str]]:
    """Exit status and output of each; kills what hasn't ended within the limit, seconds."""
    deadline = time.monotonic() + limit
    try:
        outputs = [p.communicate(timeout=deadline - time.monotonic())[0] for p in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, output) for p, output in zip(processes, outputs, strict=True)]


@pytest.fixture(scope="module")
def trained(start_processes, tmp_path_factory) -> Callable[[tuple[int, int]], Path]:
    """The workdir of an undisturbed run of six steps over a layout; made once."""
    made: dict[tuple[int, int], Path] = {}

    def run(layout: tuple[int, int]) -> Path:
        if layout not in made:
            workdir = tmp_path_factory.mktemp("layout") / "run"
            results = ends(start_processes(layout, workdir))
            assert [status for status, _ in results] == [0] * layout[0], results
            # Only the first process speaks.
            assert "generator deepfillv2" in results[0][1]
            assert all("deepfillv2" not in output for _, output in results[1:])
            made[layout] = workdir
        return made[layout]

    return run


def assert_agreement(workdir: Path, expected: Path, first: int = 0) -> None:
    """The same losses, figures and parameters but for rounding, from a step on."""
    lines, others = (
        [line for line in lines_of(run / "metrics.jsonl") if line["step"] > first]
        for run in (workdir, expected)
    )
    assert len(lines) == len(others) > 0
    for line, other in zip(lines, others, strict=True):
        assert line.keys() == other.keys()
        for name, value in other.items():
            assert line[name] == pytest.approx(value, rel=5e-3, abs=1e-4), (name, line["step"])
    state, reference = saved_state(workdir), saved_state(expected)
    assert state.keys() == reference.keys()
    differences = [np.abs(state[name] - reference[name]).ravel() for name in reference]
    # Adam moves a parameter by up to its learning rate whichever way rounding tips a tiny gradient.
    assert max(difference.max() for difference in differences) < 2 * STEPS * 1e-3
    assert np.quantile(np.concatenate(differences), 0.9) < 1e-4


@pytest.mark.parametrize("layout", [(2, 1), *SLOW_LAYOUTS])
def test_processes_and_devices_learn_what_one_learns(trained, layout):
    assert_agreement(trained(layout), trained((1, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("saved", LAYOUTS)
@pytest.mark.parametrize("restored", LAYOUTS)
def test_a_checkpoint_of_any_layout_goes_on_in_any_other(
    saved, restored, trained, start_processes, tmp_path
):
    workdir = tmp_path / "run"
    shutil.copytree(trained(saved), workdir)
    for step in (6,):  # the last one: the run goes on from the middle
        shutil.rmtree(workdir / "checkpoints" / str(step))
    results = ends(start_processes(restored, workdir))
    assert [status for status, _ in results] == [0] * restored[0], results
    assert "at step 3" in results[0][1]
    assert_agreement(workdir, trained(saved), first=3)


@pytest.mark.slow
@pytest.mark.parametrize("asked", [0, 1])
def test_a_preempted_process_has_all_save_the_same_step(trained, start_processes, tmp_path, asked):
    workdir = tmp_path / "run"
    processes = start_processes((2, 2), workdir, "--train.checkpoint-every", "1000")
    wait_for_step(processes[0], workdir, 2)
    processes[asked].send_signal(signal.SIGTERM)
    results = ends(processes)
    assert [status for status, _ in results] == [128 + signal.SIGTERM] * 2, results
    assert "stopped by SIGTERM" in results[0][1]
    (saved,) = (int(path.name) for path in (workdir / "checkpoints").iterdir())
    assert 2 <= saved < STEPS

    results = ends(start_processes((2, 2), workdir))
    assert [status for status, _ in results] == [0, 0], results
    assert f"at step {saved}" in results[0][1]
    assert_same_end(workdir, trained((2, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_when_a_process_is_killed_the_other_ends_and_the_run_can_go_on(
    trained, start_processes, tmp_path, killed
):
    workdir = tmp_path / "run"
    processes = start_processes((2, 2), workdir)
    wait_for_step(processes[0], workdir, 4)  # after the checkpoint of step 3 began
    processes[killed].kill()
    left = time.monotonic()
    results = ends(processes, limit=120)  # JAX gives a silent process up after 100 seconds
    assert time.monotonic() - left < 120
    status, output = results[1 - killed]
    assert status not in (0, -signal.SIGKILL), output
    assert "another of" in output, output
    assert "goes on from the last complete checkpoint" in " ".join(output.split())

    results = ends(start_processes((2, 2), workdir))
    assert [status for status, _ in results] == [0, 0], results
    assert_same_end(workdir, trained((2, 2)))
    assert not unfinished(workdir)


def assert_same_end(workdir: Path, expected: Path) -> None:
    """Bit for bit the same state after all steps."""
    state, reference = saved_state(workdir), saved_state(expected)
    assert state.keys() == reference.keys()
    for name, value in reference.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)


@pytest.mark.slow
def test_processes_that_slurm_started_find_each_other(start_processes, start_training, tmp_path):
    # What `srun -n 2` sets, on a cluster whose first node is this machine.
    slurm = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_NODELIST": "127.0.0.1",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NUM_TASKS": "2",
    }
    workdir = tmp_path / "run"
    processes = [
        start_training(
            *("--workdir", str(workdir), "--train.steps", "1"),
            environment=slurm | {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i)},
        )
        for i in range(2)
    ]
    results = ends(processes)
    assert [status for status, _ in results] == [0, 0], results
    assert "2 x cpu" in results[0][1]


def test_a_mistake_that_only_the_first_process_sees_ends_all(start_processes, tmp_path):
    workdir = tmp_path / "holiday"
    workdir.mkdir()
    (workdir / "beach.txt").write_text("mine")
    results = ends(start_processes((2, 1), workdir), limit=200)
    for status, output in results:
        assert status == 1, output
        assert "isn't empty and holds no run" in output
        assert "Traceback" not in output


@pytest.mark.parametrize(
    ("flags", "environment", "place"),
    [
        ([], {}, None),
        (
            ["--coordinator", "a:1", "--processes", "4", "--process", "3"],
            {},
            Place("a:1", 4, 3),
        ),
        (
            ["--coordinator", "a:1"],
            {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"},
            Place("a:1", 2, 1),
        ),
        (
            ["--coordinator", "[::1]:80"],
            {"SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "0"},
            Place("[::1]:80", 3, 0),
        ),
    ],
)
def test_places_are_told_by_flags_and_launchers(flags, environment, place):
    assert parse_place([*flags, "--workdir", "x"], environment) == (place, ["--workdir", "x"])


@pytest.mark.parametrize(
    ("on_tpu", "package", "found", "warned"),
    [(True, False, True, False), (False, True, True, False), (False, False, False, True)],
)
def test_pods_of_kubernetes_find_each_other_where_something_tells(
    monkeypatch, caplog, on_tpu, package, found, warned
):
    monkeypatch.setattr(joining.cloud_tpu_init, "running_in_cloud_tpu_vm", on_tpu)
    monkeypatch.setattr(joining, "find_spec", lambda name: package or None)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    assert joining.has_launcher() == found
    assert ("runs alone" in caplog.text) == warned


def test_only_what_collectives_say_is_taken_for_a_lost_process(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(ConfigError), noticing_lost_processes("it"):
        raise ConfigError("photographs/GreatBarrierReef.jpg can't be read")
    with pytest.raises(LostProcessError), noticing_lost_processes("it"):
        raise NotWrittenError("can't be saved") from RuntimeError("Barrier timed out")
    with pytest.raises(LostProcessError), noticing_lost_processes("it"):
        raise ValueError("Gloo AllReduce failed")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--coordinator", "a:1"], "go together"),
        (["--processes", "2", "--process", "0"], "go together"),
        (["--coordinator", "a", "--processes", "2", "--process", "0"], "HOST:PORT.* got a$"),
        (["--coordinator", "a:1", "--processes", "2", "--process", "2"], "got 2 of 2"),
        (["--coordinator", "a:1", "--processes", "two", "--process", "2"], "two"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags, message):
    with pytest.raises(ConfigError, match=message):
        parse_place(flags, {})
