"""All metrics with their intervals in one picture, whatever their units.

Each row is measured in the smallest difference that its own test could have found (with a probability of 0.8), and
turned so that better is always to the right. So one scale fits accuracies, losses and years, and how far a point lies
from the middle says how far it is beyond luck; how large it is in its own unit stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pawl.report.drawing import BETTER_COLOUR, GRID, INK, WORSE_COLOUR, Picture, distinct, finished
from pawl.report.intervals import show_interval
from pawl.report.numbers import show_metric
from pawl.report.subjects import Subject
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


def draw_forest(comparison: Comparison, subject: Subject) -> Picture:
    """A row for each metric that has an interval, up to `MOST_ROWS`."""
    import altair as alt

    rows, order = _rows(comparison)
    reach = max((max(abs(r["low"]), abs(r["high"])) for r in rows), default=1.0)
    domain = [-min(WIDEST, max(1.5, reach * 1.05)), min(WIDEST, max(1.5, reach * 1.05))]
    seen = [verdict for verdict in _LOOKS if any(r["verdict"] == verdict for r in rows)]
    data = alt.InlineData(values=[*rows, *({"metric": label} for label in order if not label.strip())])
    y = alt.Y("metric:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=alt.Axis(
        labelLimit=300, ticks=False, domain=False, labelPadding=18, grid=False,
    ))  # fmt: skip
    title = "← worse  ·  in units of the smallest difference that could have been found  ·  better →"
    x = alt.X("low:Q", title=title, scale=alt.Scale(domain=domain, nice=False), axis=alt.Axis(tickCount=8))
    colours = alt.Scale(domain=seen, range=[_LOOKS[verdict][0] for verdict in seen])
    legend = alt.Legend(orient="top", symbolSize=110, symbolStrokeWidth=0)
    colour = alt.Color("verdict:N", title=None, scale=colours, legend=legend)
    shape = alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=seen, range=[_LOOKS[v][1] for v in seen]))
    base = alt.Chart(data).encode(y=y)
    within = base.transform_filter("isValid(datum.middle)")
    layers = [
        alt.Chart(alt.InlineData(values=[{"x": 0}])).mark_rule(color=INK, strokeWidth=1.5).encode(x="x:Q"),
        within.mark_rule(strokeWidth=2.5).encode(x=x, x2="high:Q", color=colour),
        within.mark_point(size=110, filled=True, opacity=1).encode(x="middle:Q", color=colour, shape=shape),
        *(
            within.transform_filter(f"datum.beyond == '{mark}'")
            .mark_text(fontSize=14, dx=dx)
            .encode(x="edge:Q", text="beyond:N", color=colour)
            for mark, dx in (("«", -11), ("»", 11))
        ),
    ]
    plot = alt.layer(*layers).properties(width=420, height=alt.Step(24))
    words = within.mark_text(align="left", color=INK, fontSize=11)
    bare = alt.Y("metric:N", sort=order, scale=alt.Scale(domain=order), axis=None)
    texts = [
        words.encode(x=alt.value(0), y=bare, text=f"{field}:N").properties(
            width=width,
            height=alt.Step(24),
            title=alt.TitleParams(head, fontSize=11, fontWeight="normal", anchor="start"),
        )
        for field, width, head in (("change", 64, "difference"), ("interval", 120, "95 % interval"))
    ]
    chart = alt.hconcat(plot, *texts, spacing=10).configure_axis(gridColor=GRID)
    return finished(chart, subject.stem, subject.title)
