"""How often each side is right when it is how sure, and how many examples that is."""

from __future__ import annotations

from typing import Any

from pawl.report.drawing import BASE_COLOUR, HEAD_COLOUR, INK, Picture, finished, side_names
from pawl.report.subjects import Subject
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


def draw_reliability(comparison: Comparison, subject: Subject) -> Picture:
    """The share that is right over the confidence, with the diagonal of a calibrated model; counts below."""
    import altair as alt

    reliability = comparison.evidence[int(subject.key)].reliability
    sides = side_names(comparison)
    data = alt.InlineData(values=_rows(reliability, sides) if reliability else [])
    scale, one = alt.Scale(domain=list(sides), range=[BASE_COLOUR, HEAD_COLOUR]), alt.Scale(domain=[0, 1], clamp=True)
    colour = alt.Color("side:N", title=None, scale=scale, legend=alt.Legend(orient="top", symbolType="stroke"))
    dash = alt.StrokeDash("side:N", title=None, scale=alt.Scale(domain=list(sides), range=[[5, 3], [1, 0]]))
    diagonal = (
        alt.Chart(alt.InlineData(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
        .mark_line(color=INK, strokeDash=[2, 3], strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )
    x = alt.X("confidence:Q", title=None, scale=one, axis=alt.Axis(labels=False, ticks=False))
    y = alt.Y("right:Q", title="share that is right", scale=one)
    lines = alt.Chart(data).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash)
    dots = alt.Chart(data).mark_point(filled=True, opacity=1, size=45).encode(x=x, y=y, color=colour)
    upper = alt.layer(diagonal, lines, dots).properties(width=330, height=260)
    lower = (
        alt.Chart(data)
        .mark_rule(strokeWidth=4)
        .encode(
            x=alt.X("place:Q", title="confidence", scale=one),
            y=alt.Y("examples:Q", title="examples", axis=alt.Axis(tickCount=3)),
            color=colour,
        )
        .properties(width=330, height=70)
    )
    return finished(alt.vconcat(upper, lower, spacing=6), subject.stem, subject.title)
