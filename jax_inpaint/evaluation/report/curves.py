"""Curves of figures over the hole's share, as SVG."""

import io
import math
from collections.abc import Mapping

from jax_inpaint.evaluation.summary import FIGURES, Row
from jax_inpaint.metrics.figures import Figure

# Colours that people who see few colours can tell apart (Okabe and Ito, 2008), and marks.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKS = "osD^vPX"


def share_curves(by_share: Mapping[str, Mapping[str, Row]], name: str) -> bytes:
    """A figure of every method over groups of holes, with intervals, as an SVG file."""
    # Imported here: it takes half a second, which only reports need.
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    figure = FIGURES[name]
    canvas = Canvas(figsize=(7.5, 4.2), layout="constrained")
    axes = canvas.add_subplot()
    titles, methods = list(by_share), list(next(iter(by_share.values())))
    gap = min(0.06, 0.6 / len(methods))
    for number, method in enumerate(methods):
        # Beside each other, so that intervals don't hide each other.
        shift = gap * (number - (len(methods) - 1) / 2)
        places = [i + shift for i in range(len(titles))]
        points = [_point(by_share[title][method], name, figure) for title in titles]
        axes.errorbar(
            places,
            [value for value, _, _ in points],
            yerr=[[value - low for value, low, _ in points], [h - v for v, _, h in points]],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKS[(number // len(COLOURS) + number) % len(MARKS)],
            markersize=4.5,
            linewidth=1.4,
            capsize=2.5,
            label=method,
        )
    axes.set_xticks(range(len(titles)), titles)
    axes.set_xlabel("hole, share of the picture")
    axes.set_ylabel(figure.title)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    file = io.BytesIO()
    # The same data give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "curves", "svg.fonttype": "path"}):
        canvas.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _point(row: Row, name: str, figure: Figure) -> tuple[float, float, float]:
    """The mean and the ends of its interval, as shown; or the mean in their place."""
    estimate = row[name]
    value = estimate.value if math.isfinite(estimate.value) else math.nan
    ends = [value if math.isnan(end) else end for end in (estimate.low, estimate.high)]
    value, low, high = (figure.factor * part for part in (value, *ends))
    return value, min(low, value), max(high, value)
