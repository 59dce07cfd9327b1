"""Everything that a report tells, worked out from the records."""

import itertools
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from jax_inpaint.evaluation.errors import EvaluationError
from jax_inpaint.evaluation.records import Columns
from jax_inpaint.evaluation.run import FEATURES
from jax_inpaint.evaluation.statistics import Bootstrap, Estimate, share_bins
from jax_inpaint.metrics.distributions import (
    Moments,
    frechet_distance,
    inception_discriminative_scores,
    kernel_distance,
)
from jax_inpaint.metrics.figures import PICTURE_FIGURES, SET_FIGURES, Figure

EVERYTHING = "all holes"
FIGURES: dict[str, Figure] = {**PICTURE_FIGURES, **SET_FIGURES}  # type: ignore[dict-item]

Row = dict[str, Estimate]  # by figure
Table = dict[str, Row]  # by method


@dataclass
class Summary:
    """Tables of an evaluation.

    Attributes:
        figures: names of those that there are, in the order of ``FIGURES``.
        by_holes: a table for each set of holes, and first for all of them if there are several.
        by_share: a table for each group of holes by their share of the picture.
        differences: for the same sets, by pair of methods, the mean of the first less the second.
        speed: images a second, by method; the median picture's.
        shares: mean share of the picture, by set of holes.
        digests: eight hexadecimal digits by set of holes, equal where all holes are.
        pictures: how many pictures were scored.
        changed_outside: share of pictures in which a method changed known pixels, where it did.
    """

    figures: list[str]
    by_holes: dict[str, Table] = field(default_factory=dict)
    by_share: dict[str, Table] = field(default_factory=dict)
    differences: dict[str, dict[tuple[str, str], Row]] = field(default_factory=dict)
    speed: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    pictures: int = 0
    changed_outside: dict[str, float] = field(default_factory=dict)


def summarize(
    records: Mapping[str, Mapping[str, Columns]],
    features: Mapping[int, Float[np.ndarray, " d"]],
    draws: int,
) -> Summary:
    """Tables of records.

    Args:
        records: columns by set of holes and method; rows are the same pictures in the same order.
        features: of the photographs, by their numbers; empty if there are none.
        draws: of the bootstrap.

    Raises:
        EvaluationError: if rows aren't the same pictures or holes.
    """
    _require_same_rows(records)
    first = next(iter(next(iter(records.values())).values()))
    methods = list(next(iter(records.values())))
    summary = Summary([name for name in PICTURE_FIGURES if name in first])
    if features:
        summary.figures += list(SET_FIGURES)
    summary.pictures = len(first["number"])

    together = {m: _joined(records[holes][m] for holes in records) for m in methods}
    groups = {holes: dict(by_method) for holes, by_method in records.items()}
    if len(groups) > 1:
        groups = {EVERYTHING: together} | groups
    for holes, by_method in groups.items():
        any_method = by_method[methods[0]]
        bootstrap = Bootstrap(any_method["number"], draws)
        summary.by_holes[holes] = _table(by_method, bootstrap)
        if features and holes != EVERYTHING:
            for method, columns in by_method.items():
                summary.by_holes[holes][method] |= set_figures(columns, features)
        summary.differences[holes] = {
            (one, other): {
                name: bootstrap.difference(by_method[one][name], by_method[other][name])
                for name in _names(any_method)
            }
            for one, other in itertools.combinations(methods, 2)
        }
        summary.shares[holes] = float(any_method["share"].mean())
        summary.digests[holes] = _digest(any_method["hole_crc32"])
    for title, rows in share_bins(together[methods[0]]["share"]).items():
        chosen = {
            m: {name: values[rows] for name, values in columns.items()}
            for m, columns in together.items()
        }
        bootstrap = Bootstrap(chosen[methods[0]]["number"], draws)
        summary.by_share[title] = _table(chosen, bootstrap)
    for method, columns in together.items():
        seconds = columns["seconds"][np.isfinite(columns["seconds"])]
        if len(seconds):
            summary.speed[method] = float(1 / np.median(seconds))
        if columns["changed_outside"].any():
            summary.changed_outside[method] = float(columns["changed_outside"].mean())
    return summary


def _require_same_rows(records: Mapping[str, Mapping[str, Columns]]) -> None:
    first = next(iter(next(iter(records.values())).values()))
    for holes, by_method in records.items():
        same_holes = next(iter(by_method.values()))
        for method, columns in by_method.items():
            if not all(
                np.array_equal(columns.get(name, ()), other.get(name, ()))
                for name, other in (("number", first), ("hole_crc32", same_holes))
            ):
                raise EvaluationError(
                    f"{method} was recorded with other pictures or holes ({holes}) than the rest; "
                    "has anything changed, or could it not be read for a while? Choose another "
                    "--output"
                )


def set_figures(columns: Columns, features: Mapping[int, Float[np.ndarray, " d"]]) -> Row:
    """FID, KID, P-IDS and U-IDS of a method's fills; none of fewer than two pictures."""
    filled = columns[FEATURES]
    if len(filled) < 2:
        return {}
    real = np.stack([features[int(number)] for number in columns["number"]])
    p_ids, u_ids = inception_discriminative_scores(real, filled)
    values = {
        "fid": frechet_distance(Moments.of(filled), Moments.of(real)),
        "kid": kernel_distance(filled, real),
        "p_ids": p_ids,
        "u_ids": u_ids,
    }
    nan = float("nan")
    return {name: Estimate(value, nan, nan, len(filled), 0) for name, value in values.items()}


def _table(by_method: Mapping[str, Columns], bootstrap: Bootstrap) -> Table:
    return {
        method: {name: bootstrap.estimate(columns[name]) for name in _names(columns)}
        for method, columns in by_method.items()
    }


def _names(columns: Columns) -> list[str]:
    return [name for name in PICTURE_FIGURES if name in columns]


def _joined(parts: Iterable[Columns]) -> Columns:
    several = list(parts)
    return {name: np.concatenate([part[name] for part in several]) for name in several[0]}


def _digest(checksums: np.ndarray) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(checksums, '<i8').tobytes()):08x}"
