"""Base lines of speed: the quickstart's step, the data pipeline alone, masks alone.

python -m benchmarks [SECTION ...] [--repeats N] [--output FOLDER]
"""

import datetime
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import jax
import numpy as np
import tyro

from jax_inpaint.config import DataConfig, DrawnKind, MaskConfig, load_config
from jax_inpaint.data.stream import training_batches
from jax_inpaint.masks import sample_masks
from jax_inpaint.training.parallel import device_mesh, parallel_step, replicate
from jax_inpaint.training.state import init_state

QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.py"


@dataclass(frozen=True)
class Row:
    """One figure: median, fastest and slowest of the repeats."""

    section: str
    what: str
    unit: str
    median: float
    low: float
    high: float


def repeat(function: Callable[[], float], repeats: int) -> tuple[float, float, float]:
    """Median, least and most of a figure over several calls, after one that isn't counted."""
    function()
    figures = [function() for _ in range(repeats)]
    return statistics.median(figures), min(figures), max(figures)


def step(repeats: int) -> Iterator[Row]:
    """Seconds of the quickstart's step with its data in memory, and of its compilation."""
    config = load_config(QUICKSTART)
    mesh = device_mesh()
    started = time.perf_counter()
    state = replicate(init_state(config), mesh)
    jax.block_until_ready(state)
    initialised = time.perf_counter() - started
    train_step = parallel_step(config, mesh)
    shape = (config.train.batch_size, *config.data.size, 3)
    batch = {"image": np.random.default_rng(0).integers(0, 256, shape, np.uint8)}

    started = time.perf_counter()
    state, metrics = train_step(state, batch, 0)
    jax.block_until_ready(metrics)
    compiled = time.perf_counter() - started

    def one() -> float:
        nonlocal state
        started = time.perf_counter()
        state, metrics = train_step(state, batch, 0)
        jax.block_until_ready((state, metrics))
        return time.perf_counter() - started

    name = f"quickstart, {config.data.size[0]}x{config.data.size[1]}, batch {shape[0]}"
    yield Row("step", f"{name}: training step", "s", *repeat(one, repeats))
    yield Row("step", f"{name}: initialise", "s", *[initialised] * 3)
    yield Row("step", f"{name}: compile and first step", "s", *[compiled] * 3)


def data(repeats: int) -> Iterator[Row]:
    """Images a second of the pipeline alone: decode, crop, flip, batch."""
    quickstart = load_config(QUICKSTART).data
    for name, config in {
        "photographs to 64x64, as the quickstart": quickstart,
        "photographs to 256x256": DataConfig(),
        "photographs to 256x256, 2 workers": DataConfig(workers=2),
    }.items():
        batches = training_batches(config, batch_size=16, seed=0)

        def one(batches: Iterator = batches) -> float:
            started = time.perf_counter()
            for _ in range(10):
                next(batches)
            return 160 / (time.perf_counter() - started)

        yield Row("data", name, "images/s", *repeat(one, repeats))
        batches.close()


def masks(repeats: int) -> Iterator[Row]:
    """Masks a second, drawn on the device in batches of 16."""
    for kind in get_args(DrawnKind):
        for size in (64, 256, 512) if kind in ("union", "brush", "box") else (256,):
            sample = jax.jit(
                lambda key, kind=kind, size=size: sample_masks(
                    key, 16, size, size, MaskConfig(kind=kind)
                )
            )
            keys = iter(jax.random.split(jax.random.key(0), 10 * (repeats + 1)))

            def one(sample: Callable = sample, keys: Iterator = keys) -> float:
                started = time.perf_counter()
                for _ in range(10):
                    jax.block_until_ready(sample(next(keys)))
                return 160 / (time.perf_counter() - started)

            yield Row("masks", f"{kind}, {size}x{size}", "masks/s", *repeat(one, repeats))


SECTIONS = {"step": step, "data": data, "masks": masks}


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| section | what | median | least | most | unit |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r.section} | {r.what} | {r.median:.3g} | {r.low:.3g} | {r.high:.3g} | {r.unit} |"
        for r in rows
    ]
    return "\n".join(lines)


def main(
    sections: tyro.conf.Positional[tuple[Literal["step", "data", "masks"], ...]] = (),
    repeats: int = 10,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
) -> None:
    """Measure, print a table, and write it to a folder if one is given.

    Args:
        sections: what to measure; nothing named: everything.
        repeats: counted repeats of each figure.
        output: folder for benchmarks.json and benchmarks.md.
    """
    rows: list[Row] = []
    for section in sections or tuple(SECTIONS):
        for row in SECTIONS[section](repeats):
            print(f"{row.section}: {row.what}: {row.median:.3g} {row.unit}", flush=True)
            rows.append(row)
    machine = (
        f"{datetime.date.today()}, {platform.machine()}, {jax.local_devices()[0].device_kind} x "
        f"{jax.device_count()}, Python {platform.python_version()}, jax {jax.__version__}, "
        f"median of {repeats}"
    )
    text = f"{machine}\n\n{table(rows)}\n"
    print(f"\n{text}")
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / "benchmarks.md").write_text(text)
        record = {"machine": machine, "rows": [asdict(row) for row in rows]}
        (output / "benchmarks.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
