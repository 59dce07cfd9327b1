"""Speed and memory, beside PyTorch's where there is something to compare.

python -m benchmarks [SECTION ...] [--device gpu] [--repeats N] [--output FOLDER]
"""

import datetime
import importlib
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, get_args

import jax
import tyro

from benchmarks.experiments import Device
from benchmarks.measure import Figure, table

Section = Literal[
    "ceiling",
    "layers",
    "attention",
    "fill",
    "filling",
    "step",
    "settings",
    "data",
    "masks",
    "metrics",
    "compile",
    "memory",
]
MODULES = {"compile": "compilation"}
ALL: tuple[Section, ...] = get_args(Section)


def machine(repeats: int) -> str:
    """Date, machine and versions."""
    import torch

    tunables = os.environ.get("GLIBC_TUNABLES")  # of memory, for both sides
    return (
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{jax.local_devices()[0].device_kind} x {jax.device_count()}, "
        f"Python {platform.python_version()}, jax {jax.__version__}, PyTorch {torch.__version__}, "
        f"{repeats} repeats" + (f", GLIBC_TUNABLES={tunables}" if tunables else "")
    )


def main(
    sections: tyro.conf.Positional[tuple[Section, ...]] = (),
    device: Device = "cpu",
    repeats: int = 9,
    compiled: bool = True,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
) -> None:
    """Measure, print tables, and write them to a folder if one is given.

    Args:
        sections: what to measure; nothing named: everything.
        device: where; JAX must see it.
        repeats: counted rounds of each comparison.
        compiled: compare with torch.compile too, which takes minutes to compile.
        output: folder for benchmarks.json and benchmarks.md.
    """
    found = jax.local_devices()[0].platform
    if found != device:
        raise SystemExit(
            f"--device {device}, but JAX found {found}; install jax[cuda12] for a GPU, or set "
            f"JAX_PLATFORMS=cpu"
        )
    texts, figures = [machine(repeats)], []
    for section in sections or ALL:
        module = importlib.import_module(f"benchmarks.{MODULES.get(section, section)}")
        rows: list[Figure] = []
        for figure in module.figures(device, repeats, compiled):
            print(f"{section}: {figure.what}: {figure.who}: {figure.median:.3g} {figure.unit}")
            rows.append(figure)
        figures += rows
        texts.append(f"## {section}\n\n{table(rows)}")
        print(f"\n{texts[-1]}\n", flush=True)
    if output:
        output.mkdir(parents=True, exist_ok=True)
        (output / "benchmarks.md").write_text("\n\n".join(texts) + "\n")
        record = {"machine": texts[0], "figures": [asdict(figure) for figure in figures]}
        (output / "benchmarks.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
