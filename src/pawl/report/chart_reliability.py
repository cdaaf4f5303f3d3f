"""How often each side is right when it is how sure, and how many examples that is."""

from __future__ import annotations

from typing import Any

from pawl.report.drawing import INK, field, finished, side_colours, side_dashes, side_names
from pawl.report.subjects import Subject
from pawl.report.vega import Chart
from pawl.schema import Comparison, Reliability

# So that a bar of one side does not hide the other's.
_APART = 0.006


def _rows(reliability: Reliability, sides: tuple[str, str]) -> list[dict[str, Any]]:
    both = zip(sides, (reliability.base, reliability.head), (-_APART, _APART), strict=True)
    return [
        {
            "side": side,
            "confidence": one.confidence,
            "right": one.share_right,
            "examples": min(one.examples, 10**12),
            "place": one.confidence + shift,
        }
        for side, bins, shift in both
        for one in bins
    ]


def draw_reliability(comparison: Comparison, subject: Subject) -> Chart:
    """The share that is right over the confidence, with the diagonal of a calibrated model; counts below."""
    reliability = comparison.evidence[int(subject.key)].reliability
    sides = side_names(comparison)
    data = {"name": "bins"}
    bins = _rows(reliability, sides) if reliability else []
    one = {"domain": [0, 1], "clamp": True}
    colour = side_colours(sides, symbolType="stroke")
    x = field("confidence", "quantitative", title=None, scale=one, axis={"labels": False, "ticks": False})
    y = field("right", "quantitative", title="share that is right", scale=one)
    diagonal = {
        "data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
        "mark": {"type": "line", "color": INK, "strokeDash": [2, 3], "strokeWidth": 1},
        "encoding": {"x": field("x", "quantitative"), "y": field("y", "quantitative")},
    }
    lines = {
        "data": data,
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "color": colour, "strokeDash": side_dashes(sides)},
    }
    dots = {
        "data": data,
        "mark": {"type": "point", "filled": True, "opacity": 1, "size": 45},
        "encoding": {"x": x, "y": y, "color": colour},
    }
    upper = {"width": 330, "height": 260, "layer": [diagonal, lines, dots]}
    lower = {
        "width": 330,
        "height": 70,
        "data": data,
        "mark": {"type": "rule", "strokeWidth": 4},
        "encoding": {
            "x": field("place", "quantitative", title="confidence", scale=one),
            "y": field("examples", "quantitative", title="examples", axis={"tickCount": 3}),
            "color": colour,
        },
    }
    chart = {"datasets": {"bins": bins}, "vconcat": [upper, lower], "spacing": 6}
    return finished(chart)
