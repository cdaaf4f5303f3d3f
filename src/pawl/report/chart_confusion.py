"""Confusion matrices of both sides, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pawl.report.confusion import recalls
from pawl.report.drawing import BASE_COLOUR, GRID, HEAD_COLOUR, INK, distinct, field, finished, side_names
from pawl.report.numbers import show_count, show_number
from pawl.report.subjects import Subject
from pawl.report.vega import Chart
from pawl.schema import Comparison, Confusion

MOST_CLASSES_WITH_COUNTS = 16


def _confusion_rows(confusion: Confusion, counts: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    labels = distinct(confusion.labels)
    rows = []
    for i, row in enumerate(counts):
        total = sum(row)
        for j, count in enumerate(row):
            rows.append(
                {
                    "true": labels[i],
                    "predicted": labels[j],
                    "share": count / total if total else 0.0,
                    "count": show_count(count) if count else "",
                }
            )
    return rows


def _matrix_chart(confusion: Confusion, title: str, counts: Sequence[Sequence[int]], colour: str) -> Chart:
    size = len(confusion.labels)
    cell = max(12, min(44, 330 // size))
    labels = distinct(confusion.labels)
    mean = [share for share in recalls(tuple(tuple(row) for row in counts)) if share is not None]
    subtitle = f"mean recall {show_number(math.fsum(mean) / len(mean), 3)}" if mean else "no examples"
    opacity = {"type": "sqrt", "domain": [0, 1], "range": [0, 1]}
    layers: list[Chart] = [
        {
            "mark": {"type": "rect", "color": colour, "stroke": GRID, "strokeWidth": 1},
            "encoding": {"fillOpacity": field("share", "quantitative", scale=opacity, legend=None)},
        }
    ]
    if size <= MOST_CLASSES_WITH_COUNTS:
        layers.append(
            {
                "mark": {"type": "text", "fontSize": max(9, min(13, cell // 3))},
                "encoding": {
                    "text": field("count", "nominal"),
                    "color": {"condition": {"test": "datum.share > 0.45", "value": "#ffffff"}, "value": INK},
                },
            }
        )
    return {
        "title": {"text": title, "subtitle": subtitle, "subtitleColor": INK},
        "width": cell * size,
        "height": cell * size,
        "data": {"values": _confusion_rows(confusion, counts)},
        "encoding": {
            "x": field(
                "predicted", "nominal", sort=labels, title="predicted", axis={"labelAngle": -45 if size > 2 else 0}
            ),
            "y": field("true", "nominal", sort=labels, title="true"),
        },
        "layer": layers,
    }


def draw_confusion(comparison: Comparison, subject: Subject) -> Chart:
    """One matrix for each side that there is."""
    confusion = comparison.confusions[int(subject.key)]
    charts = [
        _matrix_chart(confusion, title, counts, colour)
        for title, counts, colour in zip(
            side_names(comparison), (confusion.base, confusion.head), (BASE_COLOUR, HEAD_COLOUR), strict=True
        )
        if counts is not None
    ]
    return finished({"hconcat": charts, "spacing": 30})
