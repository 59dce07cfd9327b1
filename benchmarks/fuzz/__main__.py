"""Gives damaged and made-up files to everything that reads a user's, and prints a table.

python -m benchmarks.fuzz [--inputs 30000] [--seed 0] [--reader NAME] [--output FOLDER]

Each input has to end in a result that is right, or in an error of the library's own. Anything else
is a finding: another exception, a warning, more than 30 seconds or 4 GiB, the end of the process.
Linux only.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from benchmarks.fuzz.readers import READERS

TOGETHER = 2500  # inputs that share a process
CHILD = "benchmarks.fuzz.child"
TIMEOUT = "Timeout (0:"  # what faulthandler writes


@dataclass
class Row:
    """What became of a reader's inputs."""

    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    peak: int = 0  # KiB of memory


def main(
    inputs: int = 30_000, seed: int = 0, reader: str | None = None, output: Path | None = None
) -> None:
    """Prints a table; exits with status 1 if there were findings.

    Args:
        inputs: to each reader; slow ones get fewer.
        seed: another one gives other inputs.
        reader: only this one.
        output: folder for the findings' inputs and tracebacks; a new temporary one without it.
    """
    folder = output or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"{'reader':24}{'inputs':>9}{'accepted':>10}{'refused':>9}{'findings':>10}", end="")
    print(f"{'seconds':>9}{'peak MiB':>10}", flush=True)
    total = Row()
    for name in [reader] if reader else READERS:
        row = tried(name, round(inputs * READERS[name].share), seed, folder / name)
        _print(name, row)
        total.outcomes += row.outcomes
        total.seconds += row.seconds
        total.peak = max(total.peak, row.peak)
    _print("all", total)
    if total.outcomes["f"]:
        print(f"findings: {folder}/*/findings")
        sys.exit(1)


def tried(name: str, count: int, seed: int, folder: Path) -> Row:
    """Tries so many inputs in processes of their own; a process that dies is a finding, too."""
    folder.mkdir(parents=True)
    row, begin, process = Row(), time.monotonic(), 0
    while (left := count - row.outcomes.total()) > 0:
        first_seed = (seed << 32) + process
        row.peak = max(row.peak, _run_child(name, first_seed, min(left, TOGETHER), folder))
        row.outcomes = Counter((folder / "outcomes").read_text())
        process += 1
    row.seconds = time.monotonic() - begin
    return row


def _run_child(name: str, seed: int, count: int, folder: Path) -> int:
    """Peak memory of a process, KiB; 0 where it died of an input."""
    command = [sys.executable, "-m", CHILD, name, str(seed), str(count)]
    child = subprocess.run(
        [*command, str(folder)],
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if child.returncode == 0:
        return int(child.stdout.split()[-1])
    if child.returncode > 0 and TIMEOUT not in child.stderr:
        raise SystemExit(child.stderr)  # something here is wrong
    reason = f"status {child.returncode}\n{child.stderr[-5000:]}"
    (folder / "input" / "traceback.txt").write_text(reason)
    (folder / "input").rename(folder / "findings" / f"{seed}-died")
    with (folder / "outcomes").open("a") as outcomes:
        outcomes.write("f")
    return 0


def _print(name: str, row: Row) -> None:
    counts = row.outcomes
    print(f"{name:24}{counts.total():9}{counts['a']:10}{counts['r']:9}{counts['f']:10}", end="")
    print(f"{row.seconds:9.0f}{row.peak / 1024:10.0f}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
