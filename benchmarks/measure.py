"""Timing of several ways to do the same, one after the other in every round."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

OURS = "jax_inpaint"


@dataclass(frozen=True)
class Figure:
    """What one way of doing something came to: median, least and most of its repeats.

    Attributes:
        section: of the benchmarks.
        what: is measured.
        who: did it; :data:`OURS` or another.
        unit: of the figures.
        median, least, most: of the repeats.
        ratio: how many times as fast as this one ours is; None where there is nothing to compare.
        share: of the machine's measured ceiling reached; None where it isn't known.
    """

    section: str
    what: str
    who: str
    unit: str
    median: float
    least: float
    most: float
    ratio: float | None = None
    share: float | None = None


def wait(result: Any) -> None:
    """Until arrays of JAX, or of PyTorch on a GPU, are there."""
    jax.block_until_ready(result)
    if any(getattr(leaf, "is_cuda", False) for leaf in jax.tree.leaves(result)):
        import torch

        torch.cuda.synchronize()


def interleaved(ways: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds that each way takes, in rounds of all, after a first round that isn't counted.

    The order rotates from round to round, so that none always follows the same neighbour.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for name in names:
        wait(ways[name]())
    for number in range(repeats):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            started = time.perf_counter()
            wait(ways[name]())
            seconds[name].append(time.perf_counter() - started)
    return seconds


def compare(
    section: str,
    what: str,
    ways: Mapping[str, Callable[[], Any]],
    repeats: int,
    work: float | None = None,
    unit: str = "s",
    ceiling: float | None = None,
) -> list[Figure]:
    """Figures of all ways, ours first, from one interleaved run.

    Args:
        section, what: of the figures.
        ways: to do it, by name.
        repeats: rounds that count.
        work: done in one call, in ``unit`` seconds (2 GFLOP: 2 and ``"GFLOP/s"``); without it the
            figures are seconds.
        unit: of the figures.
        ceiling: the most that the machine reached in that unit.
    """
    seconds = interleaved(ways, repeats)
    ours = statistics.median(seconds[OURS]) if OURS in seconds else None
    figures = []
    for who, times in seconds.items():
        values = times if work is None else [work / t for t in times]
        median = statistics.median(values)
        figures.append(
            Figure(
                section,
                what,
                who,
                unit,
                median,
                min(values),
                max(values),
                None if ours is None or who == OURS else statistics.median(times) / ours,
                None if ceiling is None else median / ceiling,
            )
        )
    return figures


def single(section: str, what: str, value: float, unit: str, who: str = OURS) -> Figure:
    """A figure that was measured once."""
    return Figure(section, what, who, unit, value, value, value)


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""

    def optional(value: float | None, text: str) -> str:
        return "" if value is None else text.format(value)

    lines = [
        "| what | who | median | least | most | unit | ours is | of the ceiling |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {f.what} | {f.who} | {f.median:.3g} | {f.least:.3g} | {f.most:.3g} | {f.unit} | "
        f"{optional(f.ratio, '{:.2f}x')} | {optional(f.share, '{:.0%}')} |"
        for f in figures
    ]
    return "\n".join(lines)
