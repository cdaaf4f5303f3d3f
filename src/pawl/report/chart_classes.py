"""The share of each class in each split of the data, on both sides."""

from __future__ import annotations

from typing import Any

from pawl.report.drawing import INK, distinct, field, finished, side_colours, side_names
from pawl.report.escape import one_line
from pawl.report.intervals import show_p
from pawl.report.numbers import share_of, show_count
from pawl.report.subjects import Subject, drawable_splits
from pawl.report.vega import Chart
from pawl.schema import Comparison, SplitDifference

MOST_PANELS = 6


def _rows(split: SplitDifference, labels: list[str], sides: tuple[str, str]) -> list[dict[str, Any]]:
    totals = (sum(c.base for c in split.classes), sum(c.head for c in split.classes))
    rows = []
    for label, count in zip(labels, split.classes, strict=True):
        for side, examples, total in zip(sides, (count.base, count.head), totals, strict=True):
            rows.append({"class": label, "side": side, "share": share_of(examples, total)})
    return rows


def _panel(split: SplitDifference, sides: tuple[str, str]) -> Chart:
    labels = distinct([count.label for count in split.classes])
    tested = f", {split.test} {show_p(split.p_value)}" if split.test and split.p_value is not None else ""
    return {
        "title": {
            "text": one_line(split.split, 40),
            "subtitle": f"{show_count(split.base)} → {show_count(split.head)} examples{tested}",
            "subtitleColor": INK,
        },
        "width": 250,
        "height": {"step": 9},
        "data": {"values": _rows(split, labels, sides)},
        "mark": "bar",
        "encoding": {
            "y": field("class", "nominal", sort=labels, title=None, axis={"ticks": False, "grid": False}),
            "yOffset": field("side", "nominal", sort=list(sides)),
            "x": field("share", "quantitative", title="share", axis={"format": "%", "tickCount": 4}),
            "color": side_colours(sides, symbolType="square", symbolSize=110, symbolStrokeWidth=0, columns=2),
        },
    }


def draw_classes(comparison: Comparison, subject: Subject) -> Chart:
    """A panel for each split that has classes, up to `MOST_PANELS`."""
    splits = drawable_splits(comparison.data[int(subject.key)].splits)[:MOST_PANELS]
    sides = side_names(comparison)
    grid = {
        "concat": [_panel(split, sides) for split in splits],
        "columns": 2,
        "spacing": 24,
        "resolve": {"scale": {"color": "shared", "x": "shared"}},
    }
    return finished(grid)
