"""What tests of whole runs look at."""

import json
import time
from pathlib import Path


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


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
