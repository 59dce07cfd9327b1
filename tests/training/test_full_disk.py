"""Disks that fill up, or become read-only, under a run."""

import pytest

from tests.faulty_disk import run_script

SCRIPT = """
import json, sys
from pathlib import Path

import numpy as np

from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.logs import RunLog
from jax_inpaint.training.workdir import NotWrittenError, WorkdirError, open_workdir, saved_steps
from tests.faulty_disk import Disk
from tests.small import small
from tests.training.test_checkpoint import state_at

disk = Disk(Path(sys.argv[1]))
config = small(workdir=str(disk.folder / "run"))
workdir = disk.folder / "run"
found = {}


def opened():
    with open_workdir(config):
        pass


def saved(step):
    checkpoints = Checkpoints(workdir, 10)
    try:
        checkpoints.save(step, state_at(step), config, None)
    finally:
        checkpoints.close()


def surfaces_with_the_next():
    checkpoints = Checkpoints(workdir, 10)
    checkpoints.save(6, state_at(6), config, None)
    try:
        checkpoints.save(9, state_at(9), config, None)
    finally:
        checkpoints.close()  # has been told already


def lines():
    log = RunLog(workdir, 3, 10)
    spoil()
    try:
        for step in range(4, 300):
            log.scalars(step, {"loss": 0.5, "generator_loss": 0.5})
    finally:
        log.close()


def events():
    log = RunLog(workdir, 3, 10)
    spoil()
    try:
        # No thread is asked to write them that could be waited for in vain.
        for step in range(100):
            log.explanation(step, {"gates": np.zeros((64, 64, 3), np.uint8)})
    finally:
        log.close()


def picture():
    log = RunLog(workdir, 3, 10)
    spoil()
    try:
        log.grid(10, {"original": np.zeros((2, 64, 64, 3), np.float32)})
    finally:
        log.close()


opened()
saved(3)
for kind, spoil, mend in (
    ("full", disk.fill, disk.free), ("read-only", disk.protect, disk.unprotect)
):
    for action in (opened, lambda: saved(6), surfaces_with_the_next, lines, events, picture):
        if action not in (lines, events, picture):
            spoil()
        name = {"<lambda>": "saved"}.get(action.__name__, action.__name__)
        try:
            action()
        except NotWrittenError as error:
            found[f"{kind} {name}"] = str(error)
        mend()
        assert saved_steps(workdir) == [3]
    try:
        with open_workdir(config):
            spoil()
            saved(6)
    except WorkdirError as error:
        found[f"{kind} run"] = str(error)
    mend()
checkpoints = Checkpoints(workdir, 10)
assert int(checkpoints.restore_latest(state_at(0)).step) == 3
checkpoints.close()
saved(6)
assert saved_steps(workdir) == [3, 6]
left = sorted(path.name for path in workdir.iterdir())
print(json.dumps({"found": found, "reasons": disk.reasons, "left": left}))
"""


@pytest.fixture(scope="module")
def outcome(program_environment, tmp_path_factory):
    """What a script found on a disk that was full and then read-only, and where it was."""
    folder = tmp_path_factory.mktemp("disk")
    return run_script(SCRIPT, str(folder), environment=program_environment), folder / "run"


def test_what_can_not_be_written_is_said_in_one_line(outcome):
    result, workdir = outcome
    found, full, read_only = result["found"], *result["reasons"].values()
    for kind, reason in (("full", full), ("read-only", read_only)):
        checkpoints = f"can't be saved in {workdir}/checkpoints: {reason}"
        assert found[f"{kind} saved"] == f"step 6 {checkpoints}"
        assert found[f"{kind} surfaces_with_the_next"] == f"step 6 {checkpoints}"
        assert found[f"{kind} run"] == (
            f"step 6 {checkpoints}. The last complete checkpoint is step 3; free space or make it "
            "writable, then the same command goes on from there."
        )
    assert found["full lines"] == f"{workdir}/metrics.jsonl can't be written: {full}"
    assert found["full events"] == f"{workdir}/tensorboard can't be written: {full}"
    picture = f"{workdir}/pictures/step_00000010.png:"
    assert found["full picture"] == f"{picture} can't be written ({full})"
    denied = f"{picture} {workdir}/pictures isn't a folder that you may write to"
    assert found["read-only picture"] == denied
    # What is open may still be written to.
    assert not {"read-only lines", "read-only events"} & found.keys()
    assert found["read-only opened"] == f"{workdir}/.lock can't be written: {read_only}"
    assert found["full opened"] in [
        f"{workdir}/{name} can't be written: {full}" for name in (".lock", "config.json")
    ]
    assert "Traceback" not in result["stderr"]


def test_nothing_half_written_is_left(outcome):
    result, _ = outcome
    expected = {".lock", "checkpoints", "config.json", "metrics.jsonl", "pictures", "tensorboard"}
    assert set(result["left"]) == expected
