"""``python train.py`` as its user meets it: stopped, killed, resumed, refused."""

import json
import random
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from benchmarks.soak import saved_state
from tests.conftest import training_command
from tests.faulty_disk import run_script
from tests.training.runs import lines_of, unfinished, wait_for_step


def assert_equal_runs(a: Path, b: Path) -> None:
    state, expected = saved_state(a), saved_state(b)
    assert len(expected) > 300  # parameters, moments, average and vectors
    assert state.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)
    released = [safetensors.numpy.load_file(run / "weights.safetensors") for run in (a, b)]
    assert released[0].keys() == released[1].keys()
    for name, value in released[1].items():
        np.testing.assert_array_equal(released[0][name], value, err_msg=name)
    lines, all_lines = (lines_of(run / "metrics.jsonl") for run in (a, b))
    assert [x for x in lines if "hole_l1" not in x] == [x for x in all_lines if "hole_l1" not in x]
    # A run that is asked to stop at a checkpoint saves at once, without validating.
    assert all(x in all_lines for x in lines)


@pytest.fixture(scope="module")
def uninterrupted(run_training, tmp_path_factory) -> tuple[Path, str]:
    """Workdir and output of a run of 12 steps that nothing disturbs."""
    workdir = tmp_path_factory.mktemp("reference") / "run"
    status, output = run_training("--workdir", str(workdir))
    assert status == 0, output
    return workdir, output


def test_a_run_leaves_what_it_promises(uninterrupted):
    workdir, output = uninterrupted
    for name in ("this model", "OpenCV Telea", "mean colour"):
        assert re.search(rf"{name} +\d+\.\d\d +\d+\.\d\d +-?\d\.\d\d\d", output)

    lines = lines_of(workdir / "metrics.jsonl")
    training = [line for line in lines if "generator_loss" in line]
    assert [line["step"] for line in training] == list(range(1, 13))
    validated = [line for line in lines if "hole_l1" in line]
    assert [line["step"] for line in validated] == [3, 6, 9, 12]
    assert all(0 < line["hole_l1"] < 1 and line["hole_psnr"] > 0 for line in validated)

    assert any((workdir / "tensorboard").iterdir())
    assert json.loads((workdir / "config.json").read_text())["generator"]["width"] == 4
    # 6 columns of 32 pixels, 2 rows, a strip of titles.
    with Image.open(workdir / "pictures" / "step_00000012.png") as picture:
        assert picture.size == (6 * 32, 2 * 32 + 16)
    with safetensors.safe_open(workdir / "weights.safetensors", framework="numpy") as file:
        assert file.metadata()["format"] == "jax_inpaint"

    # Three latest checkpoints, and the best one if it is another.
    kept = {int(path.name) for path in (workdir / "checkpoints").iterdir()}
    best = min(validated, key=lambda line: line["hole_l1"])["step"]
    assert kept == {6, 9, 12} | {best}


@pytest.mark.parametrize(
    ("stop", "status"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_a_stopped_run_resumes_and_equals_one_that_never_stopped(
    stop, status, uninterrupted, start_training, run_training, tmp_path
):
    expected, _ = uninterrupted
    workdir = tmp_path / "run"
    process = start_training("--workdir", str(workdir))
    wait_for_step(process, workdir, 4)  # between checkpoints
    process.send_signal(stop)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == status, output
    assert f"stopped by {stop.name}" in output
    assert "Traceback" not in output
    stopped_at = max(int(path.name) for path in (workdir / "checkpoints").iterdir())
    assert 4 <= stopped_at < 12

    status, output = run_training("--workdir", str(workdir))
    assert status == 0, output
    assert f"at step {stopped_at}" in output
    assert_equal_runs(workdir, expected)


@pytest.mark.slow
def test_a_stop_on_a_step_with_a_picture_is_saved_too(
    uninterrupted, start_training, run_training, tmp_path
):
    expected, _ = uninterrupted
    workdir = tmp_path / "run"
    # A picture at every step: wherever the signal arrives, it finds nothing left to look at.
    process = start_training(
        "--workdir", str(workdir), "--train.image-every", "1", "--train.checkpoint-every", "1000"
    )
    wait_for_step(process, workdir, 4)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 143, output
    (saved,) = (int(path.name) for path in (workdir / "checkpoints").iterdir())
    assert saved >= 4
    state, reference = saved_state(workdir), saved_state(expected)
    assert state.keys() == reference.keys()
    assert state["/step"] == saved


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_from_its_last_complete_checkpoint(
    uninterrupted, start_training, run_training, tmp_path
):
    expected, _ = uninterrupted
    workdir = tmp_path / "run"
    rng = random.Random(7)
    killed_while_saving = 0
    for step in (1, 2, 5, 8):
        process = start_training("--workdir", str(workdir))
        wait_for_step(process, workdir, step)
        if step == 1:
            time.sleep(rng.uniform(0, 0.3))
        else:  # within the save that follows
            wait_for_save(process, workdir)
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        killed_while_saving += bool(unfinished(workdir))
    assert killed_while_saving > 0
    status, output = run_training("--workdir", str(workdir))
    assert status == 0, output
    assert_equal_runs(workdir, expected)
    assert not unfinished(workdir)


def wait_for_save(process, workdir: Path) -> None:
    deadline = time.monotonic() + 240
    while not unfinished(workdir):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.slow
def test_a_finished_run_started_again_goes_on_only_if_asked_for_more(
    uninterrupted, run_training, tmp_path
):
    workdir = tmp_path / "copy"
    shutil.copytree(uninterrupted[0], workdir)
    status, output = run_training("--workdir", str(workdir), "--train.steps", "14")
    assert status == 0, output
    assert "train.steps: 12 -> 14" in output
    assert "at step 12" in output
    assert max(line["step"] for line in lines_of(workdir / "metrics.jsonl")) == 14


def test_another_models_workdir_is_refused_with_the_difference(uninterrupted, run_training):
    workdir, _ = uninterrupted
    before = (workdir / "config.json").read_bytes()
    status, output = run_training("--workdir", str(workdir), "--generator.width", "8")
    assert status == 1
    assert "generator.width: 4 -> 8" in output
    assert "Traceback" not in output
    assert (workdir / "config.json").read_bytes() == before


def test_a_folder_that_is_no_run_is_refused(run_training, tmp_path):
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "beach.txt").write_text("mine")
    status, output = run_training("--workdir", str(folder))
    assert status == 1
    assert "isn't empty" in output
    assert [path.name for path in folder.iterdir()] == ["beach.txt"]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    run_training, tmp_path
):
    workdir = tmp_path / "run"
    # Parameters grow until something overflows, after a few steps; every step is saved.
    status, output = run_training(
        "--workdir", str(workdir), "--generator-optimizer.learning-rate", "3e2",
        "--generator-optimizer.warmup-steps", "40", "--train.checkpoint-every", "1",
    )  # fmt: skip
    assert status == 1
    match = re.search(r"step (\d+): (\w+) is (nan|inf)", output)
    assert match, output
    assert "Traceback" not in output
    saved = [int(path.name) for path in (workdir / "checkpoints").iterdir()]
    assert max(saved) == int(match[1]) - 1
    for name, value in saved_state(workdir).items():
        assert np.isfinite(value).all(), name


def test_a_wrong_source_is_one_clear_line(run_training, tmp_path):
    status, output = run_training(
        "--workdir", str(tmp_path / "run"), "--data.source", f"folder:{tmp_path}/none"
    )
    assert status == 1
    assert "there is no such folder" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_run_with_batch_norm_goes_on_with_its_statistics(run_training, tmp_path, few_terms):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = ("--config", str(few_terms), "--train.steps", "6")
    for workdir, stop in ((whole, "6"), (parts, "3"), (parts, "6")):
        status, output = run_training(*arguments, "--train.steps", stop, "--workdir", str(workdir))
        assert status == 0, output
    state, expected = saved_state(parts), saved_state(whole)
    statistics = [name for name in expected if name.startswith("/statistics")]
    assert statistics
    for name, value in expected.items():
        np.testing.assert_array_equal(state[name], value, err_msg=name)


@pytest.fixture
def few_terms(tmp_path):
    """A system with batch norm in both networks and constant learning rates."""
    path = tmp_path / "few_terms.py"
    path.write_text(
        """
from jax_inpaint.config import Config, GanConfig, ObjectiveConfig
from jax_inpaint.losses.terms import L1, Adversarial
from jax_inpaint.models.context_encoder import ContextEncoderConfig
from jax_inpaint.models.patchgan import PatchGANConfig

config = Config(
    generator=ContextEncoderConfig(),
    discriminator=PatchGANConfig(layers=2),
    objective=ObjectiveConfig(terms=(L1(), Adversarial(0.1)), gan=GanConfig(loss="bce")),
)
"""
    )
    return path


def test_a_missing_feature_network_is_named_with_its_address(run_training, tmp_path):
    config = Path(__file__).parent.parent.parent / "configs" / "gated_unet_places2.py"
    status, output = run_training(
        "--config", str(config), "--features.vgg16", str(tmp_path / "vgg16.pth")
    )
    assert status == 1
    assert "Traceback" not in output
    assert f"error: {tmp_path / 'vgg16.pth'}: there is no such file" in output
    assert "https://download.pytorch.org/models/vgg16-397923af.pth" in output
    assert "features.vgg16" in output


@pytest.mark.slow
def test_explanations_reach_tensorboard(run_training, tmp_path):
    status, output = run_training(
        *("--train.explain", "--train.steps", "3", "--train.image-every", "3"),
        *("--workdir", str(tmp_path / "run")),
    )
    assert status == 0, output
    events = b"".join(path.read_bytes() for path in (tmp_path / "run" / "tensorboard").iterdir())
    for name in (b"explanation/gates", b"explanation/offset_flow", b"explanation/sources"):
        assert name in events


@pytest.mark.slow
def test_a_run_whose_last_checkpoint_is_damaged_goes_on_from_the_one_before(
    uninterrupted, run_training, tmp_path
):
    expected, _ = uninterrupted
    workdir = tmp_path / "run"
    shutil.copytree(expected, workdir)
    chunks = (workdir / "checkpoints" / "12" / "state").glob("**/d/*")
    damaged = max(chunks, key=lambda path: path.stat().st_size)
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    status, output = run_training("--workdir", str(workdir))
    assert status == 0, output
    assert f"{damaged} is damaged (its contents" in output
    assert "12.damaged; step 9 is used instead" in output
    assert "at step 9" in output
    assert_equal_runs(workdir, expected)
    assert (workdir / "checkpoints" / "12.damaged").is_dir()


@pytest.mark.slow
def test_of_two_runs_started_at_once_one_is_refused(uninterrupted, start_training, tmp_path):
    expected, _ = uninterrupted
    workdir = tmp_path / "run"
    processes = [start_training("--workdir", str(workdir)) for _ in range(2)]
    outputs = {process.communicate(timeout=300)[0]: process for process in processes}
    refused, finished = sorted(outputs, key=lambda output: "is using it" not in output)
    assert outputs[refused].returncode == 1, refused
    assert f"another run, process {outputs[finished].pid} on host" in refused
    assert "Traceback" not in refused
    assert outputs[finished].returncode == 0, finished
    assert_equal_runs(workdir, expected)


ON_A_FAULTY_DISK = """
import json, os, shutil, signal, subprocess, sys, time
from pathlib import Path

from tests.faulty_disk import Disk

folder, copy, *command = sys.argv[1:]
disk = Disk(Path(folder))
workdir = disk.folder / "run"
runs = []


def run(saved=None, spoil=None, mend=None):
    process = subprocess.Popen(
        [*command, "--workdir", str(workdir)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )
    while spoil and not (workdir / "checkpoints" / saved).exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.001)
    if spoil:
        process.send_signal(signal.SIGSTOP)
        spoil(process.pid)
        process.send_signal(signal.SIGCONT)
    output, _ = process.communicate(timeout=300)
    if spoil:
        mend()
    kept = sorted(path.name for path in (workdir / "checkpoints").iterdir())
    runs.append({"status": process.returncode, "output": output, "checkpoints": kept})


run("3", disk.fill, disk.free)
run("6", lambda _: disk.protect(), disk.unprotect)
run()
shutil.copytree(workdir, copy)
print(json.dumps({"runs": runs, "reasons": disk.reasons}))
"""


@pytest.mark.slow
def test_a_disk_that_is_full_or_read_only_ends_a_run_that_goes_on_once_it_is_not(
    uninterrupted, program_environment, tmp_path
):
    expected, _ = uninterrupted
    (tmp_path / "disk").mkdir()
    workdir = tmp_path / "run"
    result = run_script(
        ON_A_FAULTY_DISK,
        *(str(tmp_path / "disk"), str(workdir), *training_command()),
        environment=program_environment,
    )
    full, read_only, last = result["runs"]
    for run, reason, saved in (
        (full, result["reasons"]["full"], 3),
        (read_only, result["reasons"]["read-only"], 6),
    ):
        assert run["status"] == 1, run["output"]
        assert "Traceback" not in run["output"]
        assert re.search(
            rf"error: .* can't be (saved|written).*: {reason}\. The last complete checkpoint is "
            rf"step {saved}; free space or make it writable, then the same command goes on",
            run["output"],
        ), run["output"]
        complete = [int(name) for name in run["checkpoints"] if name.isdigit()]
        assert max(complete) == saved
    assert last["status"] == 0, last["output"]
    assert "at step 6" in last["output"]
    assert_equal_runs(workdir, expected)
