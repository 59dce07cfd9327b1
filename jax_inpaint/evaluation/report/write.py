"""Puts the report together and writes its files."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.records import Columns
from jax_inpaint.evaluation.report.curves import share_curves
from jax_inpaint.evaluation.report.document import (
    Block,
    Heading,
    Image,
    Listing,
    Paragraph,
    to_html,
    to_markdown,
)
from jax_inpaint.evaluation.report.pictures import as_jpeg, chosen, comparison
from jax_inpaint.evaluation.report.tables import differences_table, figures_table, share_table
from jax_inpaint.evaluation.run import Evaluation
from jax_inpaint.evaluation.summary import EVERYTHING, FIGURES, Summary
from jax_inpaint.files import write_atomically
from jax_inpaint.metrics.figures import PICTURE_FIGURES

ByHoles = Mapping[str, Mapping[str, Columns]]  # and then by method

# What tables and curves by share show, of those that there are.
BY_SHARE = (
    "hole_l1",
    "psnr",
    "ssim",
    "lpips_alexnet",
    "lpips_vgg16",
    "lpips_squeezenet",
)
FEW = 10_000  # pictures, below which FID says little
FEWEST = 20  # pictures, below which intervals are too narrow


@dataclass(frozen=True)
class About:
    """What a report tells of its making.

    Attributes:
        lines: titles and texts, such as the data, the machine and the date.
        methods: what each is, by name.
        missing: why figures are missing, by title.
        skipped: pictures that couldn't be read.
        rank_by: the figure that decides which pictures are shown.
    """

    lines: Mapping[str, str]
    methods: Mapping[str, str]
    missing: Mapping[str, str]
    skipped: Sequence[str]
    rank_by: str


def write_report(
    folder: Path, evaluation: Evaluation, records: ByHoles, summary: Summary, about: About
) -> None:
    """Writes report.md with its pictures, report.html, results.json and pictures.csv.

    Raises:
        EvaluationError: if they can't be written.
    """
    blocks = list(_blocks(evaluation, records, summary, about))
    files: dict[str, bytes] = {
        "report.md": to_markdown(blocks).encode(),
        "report.html": to_html(blocks, "Evaluation of inpainting").encode(),
        "results.json": _json(summary, about),
        "pictures.csv": _csv(evaluation, records),
    }
    images = {block.path: block.data for block in blocks if isinstance(block, Image)}
    files |= images
    # What an earlier report showed and this one doesn't.
    shown_before = [path for kind in ("pictures", "curves") for path in (folder / kind).glob("*.*")]
    try:
        for path in shown_before:
            if path.relative_to(folder).as_posix() not in images:
                path.unlink()
        for name, data in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write_atomically(folder / name, data)
    except OSError as error:
        raise EvaluationError(f"{folder}: can't be written ({error.strerror})") from error


def _blocks(
    evaluation: Evaluation, records: ByHoles, summary: Summary, about: About
) -> Iterator[Block]:
    methods = [method.name for method in evaluation.methods]
    yield Heading("Evaluation of inpainting", 1)
    yield Listing(list(about.lines.items()))
    yield Heading("Methods")
    yield Listing([(name, about.methods[name]) for name in methods])
    yield Heading("How to read the tables")
    yield Paragraph(
        "Means over pictures and, in brackets, their 95 % intervals by drawing pictures anew "
        "(percentile bootstrap). Everything is scored as 8-bit composite: fill in the hole, "
        "photograph elsewhere. The best of a line is bold. Images/s are those of the median "
        "picture, the first of each size left out; reading and scoring aren't counted."
    )
    if summary.pictures < FEWEST:
        yield Paragraph(
            f"These are only {summary.pictures} pictures: too few for intervals to be trusted, or "
            "differences to be sure."
        )
    for name, share in summary.changed_outside.items():
        yield Paragraph(
            f"{name} changes known pixels in {share:.1%} of its pictures. What it drew there is "
            "not scored."
        )
    for number, (holes, table) in enumerate(summary.by_holes.items()):
        yield Heading(_holes_title(holes))
        yield Paragraph(
            f"Mean share of the picture {summary.shares[holes]:.1%}; digest of the holes "
            f"{summary.digests[holes]}."
        )
        yield figures_table(summary, table, speed=number == 0)
    # There are no groups if all holes are empty.
    shown = [name for name in BY_SHARE if name in summary.figures and summary.by_share]
    if shown:
        yield Heading("By the hole's share of the picture")
    for name in shown:
        yield Heading(FIGURES[name].title, 3)
        yield share_table(summary.by_share, name)
        if len(summary.by_share) > 1:
            data = share_curves(summary.by_share, name)
            yield Image(f"curves/{name}.svg", data, f"{FIGURES[name].title} by the hole's share")
    if len(methods) > 1:
        yield Heading(f"What {methods[0]} has more than the others")
        yield Paragraph(
            "Mean differences of the same pictures with the same holes, with their intervals; bold "
            "where the interval leaves out 0."
        )
        for holes, differences in summary.differences.items():
            if len(summary.differences) > 1:
                yield Heading(_holes_title(holes), 3)
            yield differences_table(summary, differences, methods[0])
    yield Heading("Pictures")
    figure = FIGURES[about.rank_by]
    yield Paragraph(
        f"Of each method the pictures with its best, median and worst {figure.title}, which is "
        "written below each; under the picture the part around the deepest place of the hole."
    )
    yield from _pictures(evaluation, records, about.rank_by)
    yield Heading("What the figures mean")
    yield Listing([(FIGURES[name].title, FIGURES[name].definition) for name in summary.figures])
    if "fid" in summary.figures and summary.pictures < FEW:
        yield Paragraph(
            f"FID and its relatives are of {summary.pictures} pictures; published ones are of "
            "10,000 or more, and can't be compared with them."
        )
    if about.missing:
        yield Heading("What is missing", 3)
        yield Listing(list(about.missing.items()))
    if about.skipped:
        yield Heading("Pictures that couldn't be read", 3)
        yield Paragraph(", ".join(about.skipped))


def _holes_title(holes: str) -> str:
    return "All holes" if holes == EVERYTHING else f"Holes: {holes}"


def _pictures(evaluation: Evaluation, records: ByHoles, rank_by: str) -> Iterator[Block]:
    """A heading and a sheet for the best, median and worst picture of each method."""
    figure = FIGURES[rank_by]
    sets = {holes.name: holes for holes in evaluation.holes}
    indexes = {number: i for i, number in enumerate(evaluation.photographs.numbers)}
    sheets: dict[tuple[str, int], bytes] = {}
    for place, method in enumerate(evaluation.methods):
        rows = [
            (name, i) for name in sets for i in range(len(records[name][method.name]["number"]))
        ]
        values = np.array([records[name][method.name][rank_by][i] for name, i in rows])
        for title, row in chosen(values, figure.better or "lower").items():
            name, i = rows[row]
            index = indexes[int(records[name][method.name]["number"][i])]
            if rows[row] not in sheets:
                (example,) = evaluation.examples(sets[name], [index])
                filled = {m.name: evaluation.fill(m, [example])[0][0] for m in evaluation.methods}
                values_shown = {
                    m.name: records[name][m.name][rank_by][i] for m in evaluation.methods
                }
                captions = {
                    method_name: f"{value * figure.factor:.{figure.decimals}f}"
                    for method_name, value in values_shown.items()
                }
                sheets[rows[row]] = as_jpeg(comparison(example, filled, captions))
            stem = evaluation.photographs.stems[index]
            yield Heading(f"{method.name}: {title} ({stem}, holes {name})", 3)
            path = f"pictures/{place:02d}_{title}.jpg"
            yield Image(path, sheets[rows[row]], f"{title} picture of {method.name}")


def _json(summary: Summary, about: About) -> bytes:
    """All tables; figures as the functions give them, without factors."""
    content = {
        "about": dict(about.lines),
        "methods": dict(about.methods),
        "missing": dict(about.missing),
        "skipped": list(about.skipped),
        "pictures": summary.pictures,
        "images_per_second": summary.speed,
        "holes": {
            name: {"mean_share": summary.shares[name], "digest": summary.digests[name]}
            for name in summary.by_holes
        },
        "by_holes": summary.by_holes,
        "by_share": summary.by_share,
        "differences": {
            holes: {f"{one} - {other}": row for (one, other), row in pairs.items()}
            for holes, pairs in summary.differences.items()
        },
    }
    return (json.dumps(_plain(content), indent=1) + "\n").encode()


def _plain(value: Any) -> Any:
    """What JSON takes: it has neither infinity nor NaN, which become text and null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, float) and math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return None if isinstance(value, float) and math.isnan(value) else value


def _csv(evaluation: Evaluation, records: ByHoles) -> bytes:
    """A row for every picture, set of holes and method; figures without factors."""
    stems = dict(zip(evaluation.photographs.numbers, evaluation.photographs.stems, strict=True))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    some = next(iter(next(iter(records.values())).values()))
    figures = [name for name in PICTURE_FIGURES if name in some]
    plain = ["number", "height", "width", "share", "seconds"]
    writer.writerow(["method", "holes", "picture", *plain, *figures])
    for holes, by_method in records.items():
        for method, columns in by_method.items():
            for i, number in enumerate(columns["number"]):
                values: list[Any] = [columns[name][i].item() for name in plain]
                values += [f"{columns[name][i]:.6g}" for name in figures]
                writer.writerow([method, holes, stems[int(number)], *values])
    return file.getvalue().encode()
