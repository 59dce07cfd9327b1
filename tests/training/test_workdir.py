"""One run at a time in a workdir."""

import dataclasses
import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jax_inpaint.training.workdir import WorkdirError, open_workdir
from tests.small import small

ROOT = Path(__file__).parent.parent.parent

HOLDS = """
import sys
import time

from jax_inpaint.data.stream import training_batches
from jax_inpaint.training.workdir import open_workdir
from tests.small import small

if __name__ == "__main__":
    import dataclasses
    import multiprocessing

    config = small(workdir=sys.argv[1])
    with open_workdir(config):
        batches = training_batches(dataclasses.replace(config.data, workers=1), 1, 0)
        next(batches)
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        time.sleep(600)
"""


def opened(workdir: Path) -> None:
    with open_workdir(small(workdir=str(workdir))):
        pass


def refused(pid: int) -> str:
    return rf"another run, process {pid} on host {re.escape(socket.gethostname())}, is using it"


def test_a_workdir_is_free_the_moment_its_run_is_killed_whatever_its_workers_do(tmp_path):
    script = tmp_path / "holds.py"  # Grain's workers import it
    script.write_text(HOLDS)
    workdir = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, script, workdir],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert workers
    with pytest.raises(WorkdirError, match=refused(process.pid)):
        opened(workdir)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # it can't notice that the run is no more
    try:
        process.kill()
        process.wait()
        opened(workdir)
        for worker in workers:
            os.kill(worker, 0)  # is still there
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        process.communicate()


def test_of_runs_that_begin_at_once_in_a_new_workdir_one_does(tmp_path):
    for attempt in range(20):
        workdir = tmp_path / "deep" / str(attempt)
        others_tried = threading.Barrier(8, timeout=60)

        def begin(seed: int, workdir=workdir, others_tried=others_tried) -> int | str:
            config = small(workdir=str(workdir))
            train = dataclasses.replace(config.train, seed=seed)
            others_tried.wait()
            try:
                with open_workdir(dataclasses.replace(config, train=train)):
                    others_tried.wait()
                    return seed
            except WorkdirError as error:
                others_tried.wait()
                return str(error)

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(begin, range(8)))
        (winner,) = (outcome for outcome in outcomes if isinstance(outcome, int))
        assert json.loads((workdir / "config.json").read_text())["train"]["seed"] == winner
        refusals = [outcome for outcome in outcomes if isinstance(outcome, str)]
        assert all("is using it" in refusal for refusal in refusals), refusals


def test_a_run_that_is_refused_changes_nothing(tmp_path):
    with open_workdir(small(workdir=str(tmp_path))):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        other = dataclasses.replace(small().train, seed=1)
        with (
            pytest.raises(WorkdirError, match=refused(os.getpid())),
            open_workdir(small(workdir=str(tmp_path), train=other)),
        ):
            pass
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    opened(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '"text"', "7", "\udcff"])
def test_what_is_no_configuration_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content, errors="surrogateescape")
    before = path.read_bytes()
    with (
        pytest.raises(WorkdirError, match=r"config.json isn't a run's configuration"),
        open_workdir(small(workdir=str(tmp_path))),
    ):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [None, "ab", [32], [0, 32], [32, 2**40], [True, {}]])
def test_another_size_that_is_none_is_another_model(tmp_path, size):
    opened(tmp_path)
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    content = json.loads((tmp_path / "config.json").read_text())
    content["data"]["size"] = size
    (tmp_path / "config.json").write_text(json.dumps(content))
    with (
        pytest.raises(WorkdirError, match=r"another model:\n  data.size: "),
        open_workdir(small(workdir=str(tmp_path))),
    ):
        pass


def test_what_a_killed_run_left_before_its_configuration_does_not_matter(tmp_path):
    for name in (".lock", ".0123456789abcdef.tmp"):
        (tmp_path / name).touch()
    opened(tmp_path)
    assert (tmp_path / "config.json").exists()


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "beach.txt").touch()
    with pytest.raises(WorkdirError, match="isn't empty and holds no run"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["beach.txt"]


def test_a_file_system_without_locks_is_told_and_used(tmp_path, monkeypatch, caplog):
    def without_locks(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", without_locks)
    opened(tmp_path)
    (warning,) = caplog.messages
    assert f"{tmp_path} is on a file system without locks (No locks available)" in warning
