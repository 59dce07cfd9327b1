"""Tables of estimates as text."""

import math
from collections.abc import Mapping, Sequence

from jax_inpaint.evaluation.report.document import Table
from jax_inpaint.evaluation.statistics import Estimate
from jax_inpaint.evaluation.summary import FIGURES, Row, Summary
from jax_inpaint.metrics.figures import Figure

ARROWS = {"lower": " ↓", "higher": " ↑", None: ""}


def figures_table(summary: Summary, table: Mapping[str, Row], speed: bool = False) -> Table:
    """A row a figure, a column a method: means with intervals, the best in bold; and speeds."""
    methods = list(table)
    names = [n for n in summary.figures if any(_is_there(table[m].get(n)) for m in methods)]
    rows, best = [], set()
    for i, name in enumerate(names):
        figure = FIGURES[name]
        estimates = [table[m].get(name) for m in methods]
        rows.append([_title(figure), *(cell(estimate, figure) for estimate in estimates)])
        best |= {(i, 1 + j) for j in _best(estimates, figure)}
    if speed and summary.speed:
        speeds = [summary.speed.get(m) for m in methods]
        rows.append(["images/s ↑", *("-" if s is None else f"{s:.3g}" for s in speeds)])
    return Table(["", *methods], rows, frozenset(best))


def share_table(by_share: Mapping[str, Mapping[str, Row]], name: str) -> Table:
    """A row a group of holes, a column a method, for one figure."""
    figure = FIGURES[name]
    methods = list(next(iter(by_share.values())))
    rows, best = [], set()
    for i, (title, table) in enumerate(by_share.items()):
        estimates = [table[m].get(name) for m in methods]
        count = next((e.count + e.infinite for e in estimates if e is not None), 0)
        rows.append([title, str(count), *(cell(estimate, figure) for estimate in estimates)])
        best |= {(i, 2 + j) for j in _best(estimates, figure)}
    return Table(["hole", "fills", *methods], rows, frozenset(best))


def differences_table(
    summary: Summary, differences: Mapping[tuple[str, str], Row], first: str
) -> Table:
    """What one method has more than each of the others; bold where the interval leaves out 0."""
    pairs = {other: row for (one, other), row in differences.items() if one == first}
    names = [n for n in summary.figures if any(_is_there(row.get(n)) for row in pairs.values())]
    rows, sure = [], set()
    for i, name in enumerate(names):
        figure = FIGURES[name]
        line = [_title(figure)]
        for j, row in enumerate(pairs.values()):
            estimate = row.get(name)
            line.append(cell(estimate, figure, signed=True))
            if estimate is not None and (estimate.low > 0 or estimate.high < 0):
                sure.add((i, 1 + j))
        rows.append(line)
    return Table(["", *(f"less {other}" for other in pairs)], rows, frozenset(sure))


def cell(estimate: Estimate | None, figure: Figure, signed: bool = False) -> str:
    """Such as ``8.70 (8.12 to 9.30)``."""
    if estimate is None or not _is_there(estimate):
        return "-"
    if math.isinf(estimate.value):
        return f"infinite ({estimate.infinite})"
    sign = "+" if signed else ""

    def shown(value: float) -> str:
        return f"{value * figure.factor:{sign}.{figure.decimals}f}"

    text = shown(estimate.value)
    if not math.isnan(estimate.low):
        text += f" ({shown(estimate.low)} to {shown(estimate.high)})"
    if estimate.infinite:
        text += f", {estimate.infinite} infinite"
    return text


def _is_there(estimate: Estimate | None) -> bool:
    return estimate is not None and not math.isnan(estimate.value)


def _title(figure: Figure) -> str:
    return figure.title + ARROWS[figure.better]


def _best(estimates: Sequence[Estimate | None], figure: Figure) -> list[int]:
    """Columns of the best value as it is shown; none if there is nothing to choose from."""
    values = {
        i: round(e.value * figure.factor, figure.decimals)
        for i, e in enumerate(estimates)
        if e is not None and _is_there(e)
    }
    if figure.better is None or len(values) < 2:
        return []
    best = (min if figure.better == "lower" else max)(values.values())
    return [i for i, value in values.items() if value == best]
