"""The parts that a report is made of."""

import dataclasses
import io
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image as PillowImage

from jax_inpaint.evaluation.report.curves import share_curves
from jax_inpaint.evaluation.report.document import (
    Heading,
    Image,
    Listing,
    Paragraph,
    Table,
    to_html,
    to_markdown,
)
from jax_inpaint.evaluation.report.pictures import (
    SMALLEST,
    as_jpeg,
    chosen,
    comparison,
    zoomed_part,
)
from jax_inpaint.evaluation.report.tables import (
    cell,
    differences_table,
    figures_table,
    share_table,
)
from jax_inpaint.evaluation.statistics import Estimate
from jax_inpaint.evaluation.summary import FIGURES, Summary
from tests.evaluation.pages import Page
from tests.evaluation.scenes import box_hole, example, photograph

NAN = math.nan


def estimate(value, low=NAN, high=NAN, count=5, infinite=0):
    return Estimate(value, low, high, count, infinite)


# The document

NAMES = ["<b>bold</b>", "a|b", "x & y", 'q"uote', "`code`", "*star*"]
BLOCKS = [
    Heading(NAMES[0], 1),
    Paragraph(" ".join(NAMES)),
    Listing([(name, name) for name in NAMES]),
    Table(["", *NAMES], [[NAMES[0], *"123456"], [NAMES[1], *"654321"]], frozenset({(0, 2)})),
    Image("pictures/a.jpg", as_jpeg(photograph((8, 9))), 'a ]"<b>'),
]


def test_a_page_shows_names_as_they_are_and_needs_nothing_else():
    page = Page.of(to_html(BLOCKS, NAMES[0]))
    assert page.problems == []
    assert page.texts["title"] == page.texts["h1"] == [NAMES[0]]
    assert page.texts["p"][0] == " ".join(NAMES)
    assert page.texts["li"] == [f"{name}: {name}" for name in NAMES]
    assert page.texts["th"] == ["", *NAMES]
    assert page.texts["td"][0] == NAMES[0]
    assert page.texts["b"] == [*NAMES, "2"]
    (source,) = page.sources
    assert source.shape == (8, 9, 3)


def test_markdown_shows_names_as_they_are():
    text = to_markdown(BLOCKS)
    for mark in "<`*":
        # Marks of its own are only those around bold words.
        unescaped = re.sub(r"\\.|\*\*", "", text)
        assert mark not in unescaped
    head, align, first, second = [line for line in text.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in (head, align, first, second)]
    assert {len(row) for row in cells} == {7}
    assert [cell.strip() for cell in cells[2]][1:4] == ["1", "**2**", "3"]
    assert cells[1][0].strip().startswith(":-")
    assert "](pictures/a.jpg)" in text


# Tables


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("hole_l1", estimate(0.08704, 0.0812, 0.09301), "8.70 (8.12 to 9.30)"),
        ("psnr", estimate(21.416), "21.42"),
        ("ssim", estimate(0.87654, 0.8, 0.9), "0.877 (0.800 to 0.900)"),
        ("lpips_vgg16", estimate(0.12345), "0.1235"),
        ("fid", estimate(12.345), "12.35"),
        ("psnr", estimate(30.0, 29.0, 31.0, 3, 2), "30.00 (29.00 to 31.00), 2 infinite"),
        ("psnr", estimate(math.inf, infinite=4, count=0), "infinite (4)"),
        ("ms_ssim", estimate(NAN), "-"),
        ("psnr", None, "-"),
    ],
)
def test_cells(name, given, expected):
    assert cell(given, FIGURES[name]) == expected


def test_cells_of_differences_have_signs():
    text = cell(estimate(0.01, -0.002, 0.03), FIGURES["hole_l1"], signed=True)
    assert text == "+1.00 (-0.20 to +3.00)"


def table_of(**values):
    """A table of figures by name, one value a method."""
    count = len(next(iter(values.values())))
    table = {
        f"m{i}": {name: estimate(row[i]) for name, row in values.items() if row[i] is not None}
        for i in range(count)
    }
    return figures_table(Summary(list(values)), table)


def bold(table):
    return {(i, j - 1) for i, j in table.best}


def test_the_best_of_a_line_is_bold_ties_as_shown_included():
    table = table_of(
        hole_l1=[0.5, 0.25, 0.3],  # less is better
        psnr=[20.001, 19.0, 19.999],  # more is better; equal as shown
        ssim=[NAN, 0.8, 0.9],
        total_variation=[1.0, 2.0, 3.0],  # neither
        l1=[NAN, NAN, 0.1],  # nothing to choose from
        lpips_vgg16=[None, None, None],
        kid=[-0.002, 0.001, None],
        l2=[math.inf, 0.1, 0.2],
        hole_psnr=[math.inf, 40.0, 30.0],
    )
    titles = [row[0] for row in table.rows]
    assert titles[:4] == ["L1 in hole, % ↓", "PSNR, dB ↑", "SSIM ↑", "total variation, %"]
    assert "LPIPS (VGG16) ↓" not in titles  # nobody has it
    assert bold(table) == {(0, 1), (1, 0), (1, 2), (2, 2), (5, 0), (6, 1), (7, 0)}
    assert table.rows[5] == ["KID x 1000 ↓", "-2.00", "1.00", "-"]


def test_one_method_has_no_best():
    table = table_of(hole_l1=[0.5], psnr=[20.0])
    assert table.head == ["", "m0"]
    assert not table.best


def test_speeds_come_last_and_only_where_asked_for():
    summary = Summary(["psnr"], speed={"a": 12.3456})
    table = {name: {"psnr": estimate(20.0)} for name in "ab"}
    assert figures_table(summary, table, speed=True).rows[-1] == ["images/s ↑", "12.3", "-"]
    assert len(figures_table(summary, table).rows) == 1


def test_a_line_for_each_group_of_holes():
    by_share = {
        "1-10 %": {
            "a": {"psnr": estimate(20.0, count=3, infinite=1)},
            "b": {"psnr": estimate(9.0)},
        },
        "10-20 %": {"a": {"psnr": estimate(7.0)}, "b": {"psnr": estimate(8.0)}},
    }
    table = share_table(by_share, "psnr")
    assert table.head[-2:] == ["a", "b"]
    assert [row[:2] for row in table.rows] == [["1-10 %", "4"], ["10-20 %", "5"]]
    assert table.best == {(0, 2), (1, 3)}


def test_differences_that_are_sure_are_bold():
    row = {
        "hole_l1": estimate(0.01, 0.005, 0.02),
        "psnr": estimate(-1.0, -3.0, 0.5),
        "ssim": estimate(-0.1, -0.2, -0.05),
        "l1": estimate(1.0),  # of one picture
    }
    summary = Summary(list(row))
    differences = {("a", "b"): row, ("a", "c"): row, ("b", "c"): row}
    table = differences_table(summary, differences, "a")
    assert table.head == ["", "less b", "less c"]
    assert table.best == {(0, 1), (0, 2), (2, 1), (2, 2)}
    assert table.rows[1][1] == "-1.00 (-3.00 to +0.50)"


# Curves


def curves(methods, *points):
    return {
        f"{i}-{i + 1} %": {f"m{m}": {"psnr": dataclasses.replace(p)} for m in range(methods)}
        for i, p in enumerate(points)
    }


@pytest.mark.parametrize("methods", [1, 2, 16])
def test_curves_are_drawn_the_same_every_time(methods):
    points = curves(methods, estimate(20.0, 19.0, 22.0), estimate(15.0), estimate(12.0, 11.0, 12.0))
    drawn = share_curves(points, "psnr")
    root = ElementTree.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert drawn == share_curves(points, "psnr")
    assert b'href="http' not in drawn.replace(b"http://www.w3.org", b"")


def test_curves_of_what_cannot_be_drawn():
    points = curves(2, estimate(math.inf), estimate(NAN), estimate(12.0, 11.0, 12.0))
    ElementTree.fromstring(share_curves(points, "psnr"))
    points = curves(1, estimate(math.inf), estimate(NAN))
    ElementTree.fromstring(share_curves(points, "psnr"))


# Pictures


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_best_median_and_worst(better):
    values = np.array([5, NAN, 1, 3, np.inf, 2, 4])
    found = chosen(values, better)
    assert {title: values[i] for title, i in found.items()} == (
        {"best": 1, "median": 3, "worst": 5}
        if better == "lower"
        else {"best": 5, "median": 3, "worst": 1}
    )


def test_few_pictures_are_chosen_once():
    assert chosen(np.array([2.0]), "lower") == {"best": 0}
    assert set(chosen(np.array([2.0, 1.0]), "lower").values()) == {0, 1}
    assert chosen(np.array([NAN, np.inf]), "lower") == {}


@pytest.mark.parametrize("size", [(200, 300), (64, 48), (30, 200), (5, 5)])
def test_the_enlarged_part_is_within_the_picture_and_around_the_hole(size):
    rng = np.random.default_rng(0)
    for _ in range(20):
        hole = np.zeros(size, bool)
        top, left = rng.integers(0, size)
        hole[top : top + rng.integers(1, 40), left : left + rng.integers(1, 40)] = True
        rows, columns = part = zoomed_part(hole)
        assert 0 <= rows.start < rows.stop <= size[0]
        assert 0 <= columns.start < columns.stop <= size[1]
        assert rows.stop - rows.start == columns.stop - columns.start
        assert rows.stop - rows.start == min(max(SMALLEST, min(size) // 4), *size)
        assert hole[part].any()


def test_the_deepest_place_is_in_the_middle():
    hole = np.zeros((400, 400), bool)
    hole[100:141, 210:291] = hole[:, 3:6] = True
    rows, columns = zoomed_part(hole)
    assert rows.start <= 120 - 40
    assert rows.stop >= 120 + 40
    assert 230 - 50 <= columns.start < columns.stop <= 270 + 51


def colours(picture):
    return {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}


def test_a_comparison_shows_the_mask_each_method_and_the_photograph():
    one = example((40, 60))
    filled = {
        name: np.full_like(one.photograph, colour)
        for name, colour in {"first": (250, 0, 0), "second": (0, 0, 250)}.items()
    }
    sheet = comparison(one, filled, {"first": "1.23"})
    widths = np.array_split(np.arange(sheet.shape[1]), 4)
    columns = [sheet[:, indexes] for indexes in widths]
    assert [(250, 0, 0) in colours(part) for part in columns] == [False, True, False, False]
    assert [(0, 0, 250) in colours(part) for part in columns] == [False, False, True, False]
    with PillowImage.open(io.BytesIO(as_jpeg(sheet))) as picture:
        assert (picture.format, picture.size) == ("JPEG", sheet.shape[1::-1])


def test_a_comparison_of_tiny_and_of_large_pictures():
    for size in ((3, 50), (700, 500)):
        hole = box_hole(size, 0)
        one = dataclasses.replace(
            example((40, 40)), photograph=np.zeros((*size, 3), np.uint8), hole=hole
        )
        sheet = comparison(one, {"a": one.photograph}, {})
        assert sheet.shape[1] < 3 * 220
