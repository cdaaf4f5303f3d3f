"""The pictures: training curves of both sides in one, and confusion matrices side by side, made without a browser.

They stand on GitHub's light and dark pages and on paper alike: nothing behind them, grey text in the middle, and two
colours of middling lightness. Base is dashed as well, so that the sides differ without their colours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pawl.report.confusion import recalls, usable
from pawl.report.escape import one_line
from pawl.report.numbers import show_count, show_number
from pawl.schema import Comparison, Confusion, Curve, Series

INK = "#7d8590"
GRID = "#80808040"
BASE_COLOUR = "#c9762b"
HEAD_COLOUR = "#2f81f7"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

MOST_CURVE_PICTURES = 8
MOST_CURVES_EACH = 12
MOST_CONFUSION_PICTURES = 8
MOST_CLASSES = 30
MOST_CLASSES_WITH_COUNTS = 16


@dataclass(frozen=True)
class Picture:
    """A finished picture; `stem` is its file name without the ending, `title` says what it shows."""

    stem: str
    title: str
    svg: str
    png: bytes


def stem(kind: str, name: str, taken: Iterable[str]) -> str:
    """A file name that is plain whatever `name` is, and is not among those `taken`."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")
    wanted = f"{kind}-{plain}" if plain else kind
    number, candidate = 2, wanted
    while candidate in taken:
        candidate, number = f"{wanted}-{number}", number + 1
    return candidate


def _style(chart: Any) -> Any:
    axis = {
        "labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": GRID,
        "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 120,
    }  # fmt: skip
    return (
        chart.configure(background="transparent", font=FONT, padding=8)
        .configure_view(stroke=None)
        .configure_axis(**axis)
        .configure_title(color=INK, fontSize=13, anchor="start", frame="group", fontWeight=600, limit=320)
        .configure_legend(
            labelColor=INK, titleColor=INK, labelFontSize=12, symbolStrokeWidth=2.5, symbolSize=400, labelLimit=320
        )
    )


def _finished(chart: Any, name: str, title: str) -> Picture:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(_style(chart).to_dict(validate=False), allowed_base_urls=[])
    return Picture(name, title, svg, vl_convert.svg_to_png(svg, scale=2))


def _rows(series: Series | None, side: str) -> list[dict[str, Any]]:
    if series is None:
        return []
    points = zip(series.steps, series.values, strict=False)
    return [{"step": x, "value": y, "side": side} for x, y in points if abs(x) < 1e300 and abs(y) < 1e300]


def _curve_chart(curve: Curve, sides: Sequence[str], step_title: str | None, legend_columns: int) -> Any:
    import altair as alt

    rows = [*_rows(curve.base, sides[0]), *_rows(curve.head, sides[1])]
    values = [row["value"] for row in rows]
    scale, axis = alt.Scale(zero=False, nice=True), alt.Axis(tickCount=5, minExtent=48)
    if min(values) > 1e-300 and max(values) / min(values) > 200:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        powers = range(low, high + 1, 1 + (high - low) // 6)
        scale = alt.Scale(type="log", nice=True)
        axis = alt.Axis(values=[10.0**power for power in powers], format="~e", minExtent=48)
    lone = max((len(s.steps) for s in (curve.base, curve.head) if s), default=0) == 1
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=60, filled=True) if lone else False)
        .encode(
            x=alt.X("step:Q", title=step_title, axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6)),
            y=alt.Y("value:Q", title=None, scale=scale, axis=axis),
            color=alt.Color(
                "side:N", title=None, scale=alt.Scale(domain=list(sides), range=[BASE_COLOUR, HEAD_COLOUR]),
                legend=alt.Legend(orient="top", symbolType="stroke", columns=legend_columns),
            ),
            strokeDash=alt.StrokeDash(
                "side:N", title=None, scale=alt.Scale(domain=list(sides), range=[[5, 3], [1, 0]])
            ),
        )
        .properties(width=390, height=190, title=one_line(curve.name, 40))
    )  # fmt: skip


def _side_names(comparison: Comparison) -> tuple[str, str]:
    base, head = comparison.base, comparison.head
    return (
        f"base: {one_line(base.name, 24)} {base.commit[:7]}",
        f"head: {one_line(head.name, 24)} {head.commit[:7]}",
    )


def _group_picture(group: str, curves: Sequence[Curve], comparison: Comparison, name: str) -> Picture:
    import altair as alt

    sides = _side_names(comparison)
    drawn = curves[:MOST_CURVES_EACH]
    charts = [
        _curve_chart(curve, sides, "step" if i >= len(drawn) - 2 else None, min(2, len(drawn)))
        for i, curve in enumerate(drawn)
    ]
    grid = alt.concat(*charts, columns=2, spacing=18).resolve_scale(color="shared", strokeDash="shared")
    return _finished(grid, name, f"Training curves of {one_line(group, 60)}")


def _has_points(curve: Curve) -> bool:
    return bool(_rows(curve.base, "") or _rows(curve.head, ""))


def _confusion_rows(confusion: Confusion, counts: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    labels = _distinct(confusion.labels)
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


def _distinct(labels: Sequence[str]) -> list[str]:
    """Labels short enough for an axis, still all different, because equal ones would share a row."""
    shown: list[str] = []
    for i, label in enumerate(labels):
        short = one_line(label, 18) or "(empty)"
        while short in shown:
            short += f" [{i}]"
        shown.append(short)
    return shown


def _matrix_chart(confusion: Confusion, title: str, counts: Sequence[Sequence[int]], colour: str) -> Any:
    import altair as alt

    size = len(confusion.labels)
    cell = max(12, min(44, 330 // size))
    labels = _distinct(confusion.labels)
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


def _confusion_picture(confusion: Confusion, comparison: Comparison, name: str) -> Picture:
    import altair as alt

    charts = [
        _matrix_chart(confusion, title, counts, colour)
        for title, counts, colour in zip(
            _side_names(comparison),
            (confusion.base, confusion.head),
            (BASE_COLOUR, HEAD_COLOUR),
            strict=True,
        )
        if counts is not None
    ]
    return _finished(alt.hconcat(*charts, spacing=30), name, f"Confusion matrix of {one_line(confusion.name, 60)}")


def draw_pictures(comparison: Comparison) -> list[Picture]:
    """Every picture of a comparison, at most `MOST_CURVE_PICTURES` of curves and as many of confusion matrices.

    The first one costs about a second, to start the drawing engine.
    """
    groups: dict[str, list[Curve]] = {}
    for curve in comparison.curves:
        if _has_points(curve):
            groups.setdefault(curve.group, []).append(curve)
    drawable = [c for c in comparison.confusions if usable(c) and len(c.labels) <= MOST_CLASSES]
    if not groups and not drawable:
        return []

    from altair.utils.schemapi import debug_mode

    pictures: list[Picture] = []
    # The specifications come from this module alone; checking each part of them would cost as much as drawing.
    with debug_mode(False):
        for group, curves in list(groups.items())[:MOST_CURVE_PICTURES]:
            name = stem("curves", group, [p.stem for p in pictures])
            pictures.append(_group_picture(group, curves, comparison, name))
        for confusion in drawable[:MOST_CONFUSION_PICTURES]:
            name = stem("confusion", confusion.name, [p.stem for p in pictures])
            pictures.append(_confusion_picture(confusion, comparison, name))
    return pictures
