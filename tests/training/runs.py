"""What tests of whole runs look at."""

import json
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def final_state(workdir: Path) -> dict[str, np.ndarray]:
    """All arrays of the last checkpoint by path, read with Orbax alone."""
    # On however many devices it was trained.
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    restore = ocp.args.StandardRestore(fallback_sharding=here)
    with ocp.CheckpointManager(workdir.absolute() / "checkpoints") as manager:
        restored = manager.restore(manager.latest_step(), args=ocp.args.Composite(state=restore))

    def flatten(tree, path=""):
        if isinstance(tree, dict):
            return {
                k: v for name, t in tree.items() for k, v in flatten(t, f"{path}/{name}").items()
            }
        if isinstance(tree, (list, tuple)):
            return {k: v for i, t in enumerate(tree) for k, v in flatten(t, f"{path}/{i}").items()}
        return {} if tree is None else {path: np.asarray(tree)}

    return flatten(restored["state"])


def wait_for_step(process, workdir: Path, step: int) -> None:
    deadline = time.monotonic() + 240
    while not any(line["step"] >= step for line in lines_of_running(workdir / "metrics.jsonl")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines_of_running(path: Path) -> list[dict]:
    """Like lines_of, for a file whose last line may be half written."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def unfinished(workdir: Path) -> list[Path]:
    """Checkpoints that are being written, or were when the run was killed."""
    return list((workdir / "checkpoints").glob("*.unfinished*"))
