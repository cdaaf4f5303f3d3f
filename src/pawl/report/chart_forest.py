"""All metrics with their intervals in one picture, whatever their units.

Each row is measured in the smallest difference that its own test could have found (with a probability of 0.8), and
turned so that better is always to the right. So one scale fits accuracies, losses and years, and how far a point lies
from the middle says how far it is beyond luck; how large it is in its own unit stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pawl.report.drawing import BETTER_COLOUR, INK, WORSE_COLOUR, distinct, field, finished
from pawl.report.intervals import show_interval
from pawl.report.numbers import show_metric
from pawl.report.subjects import Subject
from pawl.report.vega import Chart
from pawl.report.verdict import in_order
from pawl.schema import Comparison, MetricComparison

MOST_ROWS = 40
WIDEST = 5.0
"""Units to either side; what lies beyond stands at the edge, with a mark."""
_LOOKS = {
    "better": (BETTER_COLOUR, "triangle-right"),
    "worse": (WORSE_COLOUR, "triangle-left"),
    "no measurable change": (INK, "circle"),
    "not comparable": (INK, "cross"),
}
_ROWS = {"name": "rows"}
_IS_METRIC = "isValid(datum.middle)"
# A difference that is found with a probability of 0.8 is 2.80 standard errors wide, half an interval 1.96 of them.
_UNIT_OF_HALF = 2.80 / 1.96


@dataclass(frozen=True)
class Bar:
    """One row, in units of what the test could have found; positive is better."""

    low: float
    middle: float
    high: float


def bar(metric: MetricComparison) -> Bar | None:
    """The row of a metric; None where it has no interval."""
    lower, upper, difference = metric.lower, metric.upper, metric.difference
    if lower is None or upper is None or difference is None:
        return None
    unit = metric.detectable or (upper / 2 - lower / 2) * _UNIT_OF_HALF or abs(difference) or 1.0
    sign = -1.0 if metric.direction == "lower" else 1.0
    low, high = sorted((sign * lower / unit, sign * upper / unit))
    return Bar(low, sign * difference / unit, high)


def _rows(comparison: Comparison) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows, the primary metrics of each task first, and their labels with a gap between tasks."""
    drawn = [(m, found) for m in in_order(comparison.metrics) if (found := bar(m))][:MOST_ROWS]
    tasks = list(dict.fromkeys(PurePosixPath(m.path).parent for m, _ in drawn))
    drawn.sort(key=lambda item: tasks.index(PurePosixPath(item[0].path).parent))
    labels = distinct([m.name + (" ★" if m.primary else "") for m, _ in drawn], 44)
    rows, order, before = [], [], None
    for label, (metric, found) in zip(labels, drawn, strict=True):
        task = PurePosixPath(metric.path).parent
        if before not in (None, task):
            order.append(" " * (len(order) + 1))
        before = task
        order.append(label)
        rows.append(
            {
                "metric": label,
                "verdict": metric.verdict,
                "low": max(-WIDEST, min(WIDEST, found.low)),
                "middle": max(-WIDEST, min(WIDEST, found.middle)),
                "high": max(-WIDEST, min(WIDEST, found.high)),
                "beyond": "»" if found.high > WIDEST else "«" if found.low < -WIDEST else "",
                "edge": WIDEST if found.high > WIDEST else -WIDEST,
                "change": show_metric(metric).difference,
                "interval": show_interval(metric.lower or 0.0, metric.upper or 0.0),
            }
        )
    return rows, order


def draw_forest(comparison: Comparison, subject: Subject) -> Chart:
    """A row for each metric that has an interval, up to `MOST_ROWS`."""
    rows, order = _rows(comparison)
    gaps = [{"metric": label} for label in order if not label.strip()]
    words = (("change", 64, "difference"), ("interval", 120, "95 % interval"))
    chart = {
        "datasets": {_ROWS["name"]: [*rows, *gaps]},
        "hconcat": [_plot(rows, order), *(_column(order, *column) for column in words)],
        "spacing": 10,
    }
    return finished(chart)


def _plot(rows: Sequence[Chart], order: Sequence[str]) -> Chart:
    """The intervals, with a line where nothing differs."""
    reach = max((max(abs(r["low"]), abs(r["high"])) for r in rows), default=1.0)
    domain = [-min(WIDEST, max(1.5, reach * 1.05)), min(WIDEST, max(1.5, reach * 1.05))]
    seen = [verdict for verdict in _LOOKS if any(r["verdict"] == verdict for r in rows)]
    colours, shapes = ({"domain": seen, "range": [_LOOKS[verdict][i] for verdict in seen]} for i in (0, 1))
    legend = {"orient": "top", "symbolSize": 110, "symbolStrokeWidth": 0}
    title = "← worse  ·  in units of the smallest difference that could have been found  ·  better →"
    y_axis = {"labelLimit": 300, "ticks": False, "domain": False, "labelPadding": 18, "grid": False}
    y = field("metric", "nominal", sort=order, title=None, scale={"domain": order}, axis=y_axis)
    scale = {"domain": domain, "nice": False}
    x = field("low", "quantitative", title=title, scale=scale, axis={"tickCount": 8})
    both = {"y": y, "color": field("verdict", "nominal", title=None, scale=colours, legend=legend)}
    shape = field("verdict", "nominal", title=None, scale=shapes)
    edge = {**both, "x": field("edge", "quantitative"), "text": field("beyond", "nominal")}

    def layer(mark: Chart, encoding: Chart, *filters: str) -> Chart:
        steps = [{"filter": one} for one in (_IS_METRIC, *filters)]
        return {"data": _ROWS, "transform": steps, "mark": mark, "encoding": encoding}

    layers = [
        {
            "data": {"values": [{"x": 0}]},
            "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5},
            "encoding": {"x": field("x", "quantitative")},
        },
        layer({"type": "rule", "strokeWidth": 2.5}, {**both, "x": x, "x2": {"field": "high"}}),
        layer(
            {"type": "point", "size": 110, "filled": True, "opacity": 1},
            {**both, "x": field("middle", "quantitative"), "shape": shape},
        ),
        *(
            layer({"type": "text", "fontSize": 14, "dx": dx}, edge, f"datum.beyond == '{mark}'")
            for mark, dx in (("«", -11), ("»", 11))
        ),
    ]
    return {"width": 420, "height": {"step": 24}, "layer": layers}


def _column(order: Sequence[str], name: str, width: int, heading: str) -> Chart:
    """A column of words beside the intervals."""
    y = field("metric", "nominal", sort=order, scale={"domain": order}, axis=None)
    return {
        "title": {"text": heading, "fontSize": 11, "fontWeight": "normal", "anchor": "start"},
        "width": width,
        "height": {"step": 24},
        "data": _ROWS,
        "transform": [{"filter": _IS_METRIC}],
        "mark": {"type": "text", "align": "left", "color": INK, "fontSize": 11},
        "encoding": {"x": {"value": 0}, "y": y, "text": field(name, "nominal")},
    }
