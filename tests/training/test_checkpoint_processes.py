"""Checkpoints of a run in two processes, which share a file system."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

SCRIPT = """
import sys
from pathlib import Path

import jax

port, process, workdir = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
jax.distributed.initialize(f"localhost:{port}", 2, process)

from jax.experimental.multihost_utils import sync_global_devices

from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.workdir import WorkdirError, saved_steps
from tests.training.test_checkpoint import (
    assert_is_step, flip_a_bit, kinds_of_files, restored, save
)


def damage(*steps):
    sync_global_devices(f"before damage of {steps}")
    if process == 0:
        for step in steps:
            flip_a_bit(kinds_of_files(workdir / "checkpoints" / str(step))["chunk"])
    sync_global_devices(f"after damage of {steps}")


assert (jax.process_count(), jax.device_count()) == (2, 4)
save(workdir, {3: {"hole_l1": 0.1}, 6: None})
assert_is_step(restored(workdir), 6)
damage(6)
assert_is_step(restored(workdir), 3)
save(workdir, {6: None, 9: {"hole_l1": 0.2}, 12: None}, keep=1)
assert_is_step(restored(workdir), 12)
sync_global_devices("all look at the folder")
assert saved_steps(workdir) == [3, 12]
damage(3, 12)
try:
    Checkpoints(workdir, keep=1)
except WorkdirError as error:
    print("refused:", error, flush=True)
sync_global_devices("end")
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def test_all_processes_take_the_same_checkpoint(tmp_path):
    flags = "--xla_force_host_platform_device_count=2"
    port = free_port()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(port), str(number), tmp_path],
            cwd=ROOT, env=os.environ | {"XLA_FLAGS": flags}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]  # fmt: skip
    outcomes = [process.communicate(timeout=120) for process in processes]
    for process, (_, errors) in zip(processes, outcomes, strict=True):
        assert process.returncode == 0, errors
    (first, warnings), (second, others) = outcomes
    assert "none of the saved checkpoints is whole" in first
    assert "process 0 can't use the checkpoints" in second
    assert f"kept as {tmp_path}/checkpoints/6.damaged; step 3 is used instead" in warnings
    assert "damaged" not in others
