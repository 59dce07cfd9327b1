"""A run under random SIGTERM and SIGKILL beside the same run left alone: do they learn the same?

python -m benchmarks.soak [--minutes 30] [--every 60] [--seed 0] [--output FOLDER]

Both train a small model on photographs at the same time. About once a minute the one is sent a
signal, and started anew with the same command. After the last signal it goes on to a checkpoint
that both have; every array of it must be, bit for bit, that of the other, and every line of its log
that of the other's. Linux only.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import tyro

ROOT = Path(__file__).parent.parent
SAVED_EVERY = 20  # steps
SETTINGS = (
    "--generator.width 8 --discriminator.width 8 --data.size 64 64 --data.workers 1 "
    "--train.batch-size 2 --train.validation-images 4 --train.log-every 1 --train.image-every 50 "
    f"--train.checkpoint-every {SAVED_EVERY} --train.keep 1000000 --train.steps 1000000"
)
_CLOCKS = ("images_per_second", "seconds")  # what a log's lines say of time
_LONGEST_END = 120  # seconds that a run may take to end after SIGTERM


@dataclass
class Life:
    """From one start of the run to its end."""

    ended_by: str
    status: int
    saving: bool  # whether a checkpoint was being written when the signal came
    last_step: int
    peak: int  # KiB of memory, workers included


@dataclass
class Run:
    """``train.py`` in a workdir."""

    workdir: Path
    process: subprocess.Popen[str] | None = None
    memory: list[tuple[float, int]] = field(default_factory=list)  # seconds, KiB

    def start(self) -> None:
        """Starts it, or lets it go on."""
        self.workdir.parent.mkdir(parents=True, exist_ok=True)
        with (self.workdir.parent / f"{self.workdir.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "train.py", *SETTINGS.split(), "--workdir", self.workdir],
                env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1"},
                stdout=log,
                stderr=log,
                text=True,
            )

    def watch(self, seconds: float) -> None:
        """Notes its memory every second for so long; exits if it ends by itself."""
        assert self.process is not None
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.process.poll() is not None:
                sys.exit(f"{self.workdir} ended by itself with status {self.process.returncode}")
            self.memory.append((time.monotonic(), memory_of(self.process.pid)))
            time.sleep(min(1.0, left))

    def end(self, with_signal: signal.Signals) -> Life:
        """Sends a signal and waits for the end."""
        assert self.process is not None
        saving = any((self.workdir / "checkpoints").glob("*.unfinished*"))
        peak = max((kib for _, kib in self.memory), default=0)
        self.process.send_signal(with_signal)
        status = self.process.wait(timeout=_LONGEST_END)
        return Life(with_signal.name, status, saving, self.last_step, peak)

    @property
    def last_step(self) -> int:
        """Of its log."""
        return max(self.log, default=0)

    @property
    def log(self) -> dict[int, dict[str, Any]]:
        """The lines of its log by step, without what they say of time."""
        path = self.workdir / "metrics.jsonl"
        lines: dict[int, dict[str, Any]] = {}
        for text in path.read_text().splitlines(keepends=True) if path.exists() else []:
            if not text.endswith("\n"):
                continue  # it is being written
            line = json.loads(text)
            same = {name: value for name, value in line.items() if name not in _CLOCKS}
            lines.setdefault(line["step"], {}).update(same)
        return lines


def memory_of(pid: int) -> int:
    """KiB of memory that a process and its children hold; 0 once it is gone."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total = int(line.split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return total + sum(memory_of(int(child)) for child in children)


def saved_state(workdir: Path, step: int | None = None) -> dict[str, np.ndarray]:
    """All arrays of a run's checkpoint by path, read with Orbax alone; the last one's by default.

    Args:
        workdir: of the run.
        step: of the checkpoint.
    """
    # On however many devices it was trained.
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    restore = ocp.args.StandardRestore(fallback_sharding=here)
    with ocp.CheckpointManager(workdir.absolute() / "checkpoints") as manager:
        step = manager.latest_step() if step is None else step
        restored = manager.restore(step, args=ocp.args.Composite(state=restore))

    def flatten(tree: Any, path: str = "") -> dict[str, np.ndarray]:
        if isinstance(tree, dict):
            return {
                k: v for name, t in tree.items() for k, v in flatten(t, f"{path}/{name}").items()
            }
        if isinstance(tree, (list, tuple)):
            return {k: v for i, t in enumerate(tree) for k, v in flatten(t, f"{path}/{i}").items()}
        return {} if tree is None else {path: np.asarray(tree)}

    return flatten(restored["state"])


def slope(samples: list[tuple[float, int]]) -> tuple[float, float]:
    """Growth of memory, MiB an hour, and its standard error, by least squares."""
    seconds, kib = (np.array(column, np.float64) for column in zip(*samples, strict=True))
    hours, mib = (seconds - seconds.mean()) / 3600, kib / 1024
    rate = float(hours @ (mib - mib.mean()) / (hours @ hours))
    rest = mib - mib.mean() - rate * hours
    return rate, float(np.sqrt(rest @ rest / (len(rest) - 2) / (hours @ hours)))


def main(
    minutes: float = 30.0, every: float = 60.0, seed: int = 0, output: Path | None = None
) -> None:
    """Prints what happened; exits with status 1 if the runs differ.

    Args:
        minutes: that the disturbed run lasts.
        every: seconds between signals, on average.
        seed: of the times and kinds of signals.
        output: folder for both runs; a new temporary one without it.
    """
    folder = output or Path(tempfile.mkdtemp(prefix="soak-"))
    calm, disturbed = Run(folder / "calm"), Run(folder / "disturbed")
    try:
        lives = _disturb(calm, disturbed, minutes, every, random.Random(seed))
        last = _go_on(calm, disturbed)
    finally:
        for run in (calm, disturbed):
            if run.process and run.process.poll() is None:
                run.process.kill()
    _report(lives, calm, disturbed, last)


def _disturb(
    calm: Run, disturbed: Run, minutes: float, every: float, rng: random.Random
) -> list[Life]:
    """Runs both, of which one is signalled, for so many minutes."""
    lives: list[Life] = []
    calm.start()
    begin = time.monotonic()
    while (left := 60 * minutes - (time.monotonic() - begin)) > 0:
        disturbed.memory.clear()
        disturbed.start()
        lasting = min(left, rng.uniform(0.4, 1.6) * every)
        for _ in range(round(lasting / 0.5)):
            disturbed.watch(0.25)
            calm.watch(0.25)
        kind = rng.choice([signal.SIGTERM, signal.SIGKILL])
        life = disturbed.end(kind)
        # A run that hasn't begun to listen ends by the signal itself.
        if life.status not in (128 + signal.SIGTERM, -kind):
            sys.exit(f"{disturbed.workdir} ended with status {life.status} after {kind.name}")
        lives.append(life)
        print(
            f"{(time.monotonic() - begin) / 60:5.1f} min  {life.ended_by}"
            f"{' while saving' if life.saving else ''} after step {life.last_step:,}, peak "
            f"{life.peak / 1024:.0f} MiB; undisturbed at {calm.last_step:,}",
            flush=True,
        )
    return lives


def _go_on(calm: Run, disturbed: Run) -> int:
    """Lets both come to a checkpoint after the last signal, and end; returns its step."""
    disturbed.start()
    step = (disturbed.last_step // SAVED_EVERY + 1) * SAVED_EVERY
    while not all((run.workdir / "checkpoints" / str(step)).exists() for run in (calm, disturbed)):
        disturbed.watch(0.5)
        calm.watch(0.5)
    for run in (calm, disturbed):
        run.end(signal.SIGTERM)
    return step


def _report(lives: list[Life], calm: Run, disturbed: Run, last: int) -> None:
    counts = {name: sum(life.ended_by == name for life in lives) for name in ("SIGTERM", "SIGKILL")}
    saving = sum(life.saving for life in lives)
    print(f"{counts['SIGTERM']} SIGTERM and {counts['SIGKILL']} SIGKILL, {saving} while saving")
    settled = [(when, kib) for when, kib in calm.memory if when > calm.memory[0][0] + 300]
    rate, error = slope(settled or calm.memory)
    held = np.mean([kib for _, kib in settled or calm.memory]) / 1024
    print(f"undisturbed run's memory: {held:.0f} MiB, growing {rate:.1f} +- {error:.1f} MiB/hour")
    peaks = [life.peak / 1024 for life in lives]
    print(f"disturbed run's peaks: {min(peaks):.0f} to {max(peaks):.0f} MiB")

    state, reference = saved_state(disturbed.workdir, last), saved_state(calm.workdir, last)
    different = [
        name
        for name in sorted(state.keys() | reference.keys())
        if name not in state
        or name not in reference
        or state[name].tobytes() != reference[name].tobytes()
    ]
    log, other = (
        {s: line for s, line in run.log.items() if s <= last} for run in (disturbed, calm)
    )
    # A run that is asked to stop at a step with validation leaves that out.
    steps = [
        step
        for step in sorted(log.keys() | other.keys())
        if not log.get(step) or not log[step].items() <= other.get(step, {}).items()
    ]
    print(
        f"step {last:,}: {len(reference)} arrays, {len(different)} of them different; "
        f"{len(other):,} steps logged, {len(steps)} of them different"
    )
    if different or steps:
        sys.exit(f"they differ: {different[:5]} {steps[:5]}")


if __name__ == "__main__":
    tyro.cli(main)
