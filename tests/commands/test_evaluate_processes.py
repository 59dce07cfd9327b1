"""Real processes that share an evaluation."""

import csv
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import save_weights
from tests.evaluation.scenes import save_masks, save_photographs
from tests.inference.test_inpainter import make
from tests.training.test_processes import ends

BOTH = "--data pictures --masks folder:boxes center --baselines mean-color biharmonic --draws 100"
SIZES = {f"p{number:02}": (96, 128) for number in range(9)}
PARTS = 2 * 5 * 3  # holes, batches, methods


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    save_photographs(folder / "pictures", SIZES)
    save_masks(folder / "boxes", SIZES)
    config, variables = make(DeepFillV2Config(width=4))
    save_weights(folder / "network.safetensors", config, variables)
    return folder


@pytest.fixture(scope="module")
def start(program_environment, folder) -> Callable[..., list[subprocess.Popen[str]]]:
    """Starts an evaluation over some processes."""

    def start(count: int, output: str, *more: str) -> list[subprocess.Popen[str]]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        command = [sys.executable, "-m", "jax_inpaint.cli", "evaluate", *BOTH.split(), *more]
        command += ["--batch-size", "2", "--weights", "network.safetensors", "-o", output]
        place = ["--coordinator", f"127.0.0.1:{port}", "--processes", str(count)]
        return [
            subprocess.Popen(
                [*command, *([*place, "--process", str(number)] if count > 1 else [])],
                cwd=folder,
                env=program_environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            for number in range(count)
        ]

    return start


def tables(folder: Path) -> tuple[dict, list[dict]]:
    """What results.json and pictures.csv say, but for times, date and command."""
    results = json.loads((folder / "results.json").read_text())
    del results["about"], results["images_per_second"]
    with (folder / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["seconds"]
    return results, rows


def parts(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "parts").rglob("*.npz")}


@pytest.fixture(scope="module")
def alone(start, folder) -> Path:
    """The report of a single process."""
    ((status, output),) = ends(start(1, "alone"))
    assert status == 0, output
    return folder / "alone"


def wait_for_parts(folder: Path, count: int, processes: Sequence[subprocess.Popen[str]]) -> None:
    deadline = time.monotonic() + 200
    while len(parts(folder)) < count:
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_two_report_what_one_does_and_only_the_first_speaks(start, alone, folder):
    (first, output), (second, silence) = ends(start(2, "two"))
    assert (first, second) == (0, 0), output + silence
    assert "report: two/report.html" in output
    assert all(line.startswith("[Gloo]") for line in silence.splitlines()), silence
    assert tables(folder / "two") == tables(alone)


@pytest.mark.slow
@pytest.mark.parametrize("asked", [0, 1])
def test_a_signal_to_one_stops_all_and_any_number_go_on(start, alone, folder, asked):
    output = f"stopped{asked}"
    processes = start(2, output)
    wait_for_parts(folder / output, 4, processes)
    processes[asked].send_signal(signal.SIGTERM)
    results = ends(processes)
    assert [status for status, _ in results] == [128 + signal.SIGTERM] * 2, results
    assert "stopped by SIGTERM; the same command goes on from here" in results[0][1]
    before = parts(folder / output)
    assert 4 <= len(before) < PARTS
    assert not (folder / output / "report.md").exists()

    number = 1 if asked else 3
    results = ends(start(number, output))
    assert [status for status, _ in results] == [0] * number, results
    assert before.items() <= parts(folder / output).items()
    assert tables(folder / output) == tables(alone)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_when_one_is_killed_the_other_says_so_and_two_go_on(start, alone, folder, killed):
    output = f"killed{killed}"
    processes = start(2, output)
    wait_for_parts(folder / output, 4, processes)
    processes[killed].kill()
    results = ends(processes, limit=130)  # JAX gives a silent process up after 100 seconds
    status, said = results[1 - killed]
    assert status not in (0, -signal.SIGKILL), said
    assert "another one of its evaluation was" in said
    results = ends(start(2, output))
    assert [status for status, _ in results] == [0, 0], results
    assert tables(folder / output) == tables(alone)


@pytest.mark.slow
def test_a_mistake_that_only_the_first_sees_ends_all(start, folder):
    (folder / "holiday").mkdir()
    (folder / "holiday/beach.txt").touch()
    for status, said in ends(start(2, "holiday"), limit=100):
        assert status == 1, said
        assert "holds no evaluation" in said
        assert "Traceback" not in said


@pytest.mark.slow
def test_a_second_evaluation_in_the_same_folder_is_refused(start, folder):
    processes = start(2, "busy")
    wait_for_parts(folder / "busy", 1, processes)
    ((status, said),) = ends(start(1, "busy"))
    assert status == 1, said
    assert f"busy: another evaluation, process {processes[0].pid} on host" in said
    assert [status for status, _ in ends(processes)] == [0, 0]
