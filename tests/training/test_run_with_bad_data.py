"""``python train.py`` when pictures are damaged, their disk goes away, or a worker dies."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folders(tmp_path):
    """Arguments for a run with twelve pictures to train on and three to validate on."""
    for name, count in (("train", 12), ("validation", 3)):
        (tmp_path / name).mkdir()
        for i in range(count):
            noise = np.random.default_rng(i).integers(0, 256, (48, 48, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / name / f"{i:02}.png")
    return (
        *("--workdir", str(tmp_path / "run")),
        *("--data.source", f"folder:{tmp_path / 'train'}"),
        *("--data.validation-source", f"folder:{tmp_path / 'validation'}"),
    )


def wait_for_step(process, workdir, step):
    metrics, deadline = workdir / "metrics.jsonl", time.monotonic() + 240
    while not metrics.exists() or metrics.read_text().count("generator_loss") < step:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def block(folder):
    """Puts pipes in the pictures' places: nobody writes, so opening them never returns."""
    for path in folder.iterdir():
        pipe = path.with_suffix(".pipe")
        os.mkfifo(pipe)
        pipe.replace(path)


def the_error(output):
    """The one line that tells of it."""
    assert "Traceback" not in output
    (line,) = (line for line in output.splitlines() if line.startswith("error: "))
    return line


@pytest.mark.slow
def test_a_run_whose_disk_goes_away_ends_and_goes_on_when_it_is_back(
    folders, start_training, run_training, tmp_path
):
    pictures = tmp_path / "train"
    process = start_training(*folders, "--data.timeout", "2", "--train.steps", "100000")
    wait_for_step(process, tmp_path / "run", 4)
    (tmp_path / "kept").mkdir()
    for path in pictures.iterdir():
        (tmp_path / "kept" / path.name).write_bytes(path.read_bytes())
    block(pictures)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"of folder:{pictures}: reading it takes longer than data.timeout, 2" in the_error(
        output
    )
    pictures.rename(tmp_path / "away")
    (tmp_path / "kept").rename(pictures)
    saved = max(int(path.name) for path in (tmp_path / "run" / "checkpoints").iterdir())
    status, output = run_training(*folders, "--train.steps", str(saved + 2))
    assert status == 0, output
    assert f"at step {saved}" in output


def test_too_many_damaged_pictures_are_one_clear_line(folders, run_training, tmp_path):
    for name in ("00.png", "02.png"):
        (tmp_path / "validation" / name).write_bytes(b"no picture")
    status, output = run_training(*folders)
    assert status == 1
    assert f"folder:{tmp_path}/validation: 2 of 3 pictures can't be read" in the_error(output)
    assert not (tmp_path / "run").exists()


def children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def is_worker(pid):
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.slow
def test_a_run_whose_worker_is_killed_ends_with_the_reason(folders, start_training, tmp_path):
    process = start_training(
        *folders, "--data.workers", "2", "--data.threads", "1", "--train.steps", "100000"
    )
    wait_for_step(process, tmp_path / "run", 4)
    crew = [pid for pid in children(process.pid) if is_worker(pid)]
    assert len(crew) == 2
    os.kill(crew[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    error = the_error(output)
    assert f"a data worker (process {crew[0]}) was killed by SIGKILL" in error
    assert "fewer data.workers (now 2) or data.threads (now 1 in each) need less" in error
    assert not any(Path(f"/proc/{pid}").exists() for pid in crew)
    checkpoints = (tmp_path / "run" / "checkpoints").iterdir()
    assert any(json.loads(path.name) >= 3 for path in checkpoints)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_ctrl_c_twice_ends_a_run_that_waits_for_its_disk(
    folders, start_training, tmp_path, workers
):
    process = start_training(
        *(*folders, "--data.workers", workers),
        *("--train.steps", "100000", "--train.checkpoint-every", "100000"),
    )
    wait_for_step(process, tmp_path / "run", 2)
    block(tmp_path / "train")
    steps = -1
    while steps != (steps := (tmp_path / "run" / "metrics.jsonl").read_text().count("\n")):
        time.sleep(4)  # the rest of what was read ahead
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped at once; the same command goes on from the last checkpoint" in output
    assert "Traceback" not in output
