"""Training curves of both sides in one picture for each thing that was trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pawl.report.drawing import BASE_COLOUR, HEAD_COLOUR, Picture, finished, side_names
from pawl.report.escape import one_line
from pawl.report.subjects import Subject, points
from pawl.schema import Comparison, Curve, Series

MOST_CURVES_EACH = 12


def _rows(series: Series | None, side: str) -> list[dict[str, Any]]:
    return [{"step": x, "value": y, "side": side} for x, y in points(series)]


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


def draw_curves(comparison: Comparison, subject: Subject) -> Picture:
    """The curves of one group, on as many panels as there are histories, up to `MOST_CURVES_EACH`."""
    import altair as alt

    sides = side_names(comparison)
    curves = [c for c in comparison.curves if c.group == subject.key and (points(c.base) or points(c.head))]
    drawn = curves[:MOST_CURVES_EACH]
    charts = [
        _curve_chart(curve, sides, "step" if i >= len(drawn) - 2 else None, min(2, len(drawn)))
        for i, curve in enumerate(drawn)
    ]
    grid = alt.concat(*charts, columns=2, spacing=18).resolve_scale(color="shared", strokeDash="shared")
    return finished(grid, subject.stem, subject.title)
