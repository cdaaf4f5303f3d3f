"""Confusion matrices of both sides, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pawl.report.confusion import recalls
from pawl.report.drawing import BASE_COLOUR, GRID, HEAD_COLOUR, INK, Picture, distinct, finished, side_names
from pawl.report.numbers import show_count, show_number
from pawl.report.subjects import Subject
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


def _matrix_chart(confusion: Confusion, title: str, counts: Sequence[Sequence[int]], colour: str) -> Any:
    import altair as alt

    size = len(confusion.labels)
    cell = max(12, min(44, 330 // size))
    labels = distinct(confusion.labels)
    mean = [share for share in recalls(tuple(tuple(row) for row in counts)) if share is not None]
    subtitle = f"mean recall {show_number(math.fsum(mean) / len(mean), 3)}" if mean else "no examples"
    base = alt.Chart(alt.InlineData(values=_confusion_rows(confusion, counts))).encode(
        x=alt.X("predicted:N", sort=labels, title="predicted", axis=alt.Axis(labelAngle=-45 if size > 2 else 0)),
        y=alt.Y("true:N", sort=labels, title="true"),
    )
    boxes = base.mark_rect(color=colour, stroke=GRID, strokeWidth=1).encode(
        fillOpacity=alt.FillOpacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0, 1]), legend=None)
    )
    layers = [boxes]
    if size <= MOST_CLASSES_WITH_COUNTS:
        layers.append(
            base.mark_text(fontSize=max(9, min(13, cell // 3))).encode(
                text="count:N",
                color=alt.condition("datum.share > 0.45", alt.value("#ffffff"), alt.value(INK)),
            )
        )
    heading = alt.TitleParams(title, subtitle=subtitle, subtitleColor=INK)
    return alt.layer(*layers).properties(width=cell * size, height=cell * size, title=heading)


def draw_confusion(comparison: Comparison, subject: Subject) -> Picture:
    """One matrix for each side that there is."""
    import altair as alt

    confusion = comparison.confusions[int(subject.key)]
    charts = [
        _matrix_chart(confusion, title, counts, colour)
        for title, counts, colour in zip(
            side_names(comparison), (confusion.base, confusion.head), (BASE_COLOUR, HEAD_COLOUR), strict=True
        )
        if counts is not None
    ]
    return finished(alt.hconcat(*charts, spacing=30), subject.stem, subject.title)
