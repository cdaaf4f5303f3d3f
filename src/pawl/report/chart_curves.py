"""Training curves of both sides in one picture for each thing that was trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pawl.report.drawing import field, finished, side_colours, side_dashes, side_names
from pawl.report.escape import one_line
from pawl.report.subjects import Subject, points
from pawl.report.vega import Chart
from pawl.schema import Comparison, Curve, Series

MOST_CURVES_EACH = 12


def _rows(series: Series | None, side: str) -> list[dict[str, Any]]:
    return [{"step": x, "value": y, "side": side} for x, y in points(series)]


def _curve_chart(curve: Curve, sides: Sequence[str], step_title: str | None, legend_columns: int) -> Chart:
    rows = [*_rows(curve.base, sides[0]), *_rows(curve.head, sides[1])]
    values = [row["value"] for row in rows]
    scale: Chart = {"zero": False, "nice": True}
    axis: Chart = {"tickCount": 5, "minExtent": 48}
    if min(values) > 1e-300 and max(values) / min(values) > 200:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        powers = range(low, high + 1, 1 + (high - low) // 6)
        scale = {"type": "log", "nice": True}
        axis = {"values": [10.0**power for power in powers], "format": "~e", "minExtent": 48}
    lone = max((len(s.steps) for s in (curve.base, curve.head) if s), default=0) == 1
    steps = {"grid": False, "tickMinStep": 1, "tickCount": 6}
    return {
        "title": one_line(curve.name, 40),
        "width": 390,
        "height": 190,
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 60, "filled": True} if lone else False},
        "encoding": {
            "x": field("step", "quantitative", title=step_title, axis=steps),
            "y": field("value", "quantitative", title=None, scale=scale, axis=axis),
            "color": side_colours(sides, symbolType="stroke", columns=legend_columns),
            "strokeDash": side_dashes(sides),
        },
    }


def draw_curves(comparison: Comparison, subject: Subject) -> Chart:
    """The curves of one group, on as many panels as there are histories, up to `MOST_CURVES_EACH`."""
    sides = side_names(comparison)
    curves = [c for c in comparison.curves if c.group == subject.key and (points(c.base) or points(c.head))]
    drawn = curves[:MOST_CURVES_EACH]
    grid = {
        "concat": [
            _curve_chart(curve, sides, "step" if i >= len(drawn) - 2 else None, min(2, len(drawn)))
            for i, curve in enumerate(drawn)
        ],
        "columns": 2,
        "spacing": 18,
        "resolve": {"scale": {"color": "shared", "strokeDash": "shared"}},
    }
    return finished(grid)
