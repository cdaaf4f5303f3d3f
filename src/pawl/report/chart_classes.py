"""The share of each class in each split of the data, on both sides."""

from __future__ import annotations

from typing import Any

from pawl.report.drawing import BASE_COLOUR, HEAD_COLOUR, INK, Picture, distinct, finished, side_names
from pawl.report.escape import one_line
from pawl.report.intervals import show_p
from pawl.report.numbers import share_of, show_count
from pawl.report.subjects import Subject, drawable_splits
from pawl.schema import Comparison, SplitDifference

MOST_PANELS = 6


def _rows(split: SplitDifference, labels: list[str], sides: tuple[str, str]) -> list[dict[str, Any]]:
    totals = (sum(c.base for c in split.classes), sum(c.head for c in split.classes))
    rows = []
    for label, count in zip(labels, split.classes, strict=True):
        for side, examples, total in zip(sides, (count.base, count.head), totals, strict=True):
            rows.append({"class": label, "side": side, "share": share_of(examples, total)})
    return rows


def _panel(split: SplitDifference, sides: tuple[str, str]) -> Any:
    import altair as alt

    labels = distinct([count.label for count in split.classes])
    tested = f", {split.test} {show_p(split.p_value)}" if split.test and split.p_value is not None else ""
    heading = alt.TitleParams(
        one_line(split.split, 40),
        subtitle=f"{show_count(split.base)} → {show_count(split.head)} examples{tested}",
        subtitleColor=INK,
    )
    scale = alt.Scale(domain=list(sides), range=[BASE_COLOUR, HEAD_COLOUR])
    return (
        alt.Chart(alt.InlineData(values=_rows(split, labels, sides)))
        .mark_bar()
        .encode(
            y=alt.Y("class:N", sort=labels, title=None, axis=alt.Axis(ticks=False, grid=False)),
            yOffset=alt.YOffset("side:N", sort=list(sides)),
            x=alt.X("share:Q", title="share", axis=alt.Axis(format="%", tickCount=4)),
            color=alt.Color("side:N", title=None, scale=scale, legend=alt.Legend(
                orient="top", symbolType="square", symbolSize=110, symbolStrokeWidth=0, columns=2,
            )),
        )
        .properties(width=250, height=alt.Step(9), title=heading)
    )  # fmt: skip


def draw_classes(comparison: Comparison, subject: Subject) -> Picture:
    """A panel for each split that has classes, up to `MOST_PANELS`."""
    import altair as alt

    splits = drawable_splits(comparison.data[int(subject.key)].splits)[:MOST_PANELS]
    sides = side_names(comparison)
    panels = [_panel(split, sides) for split in splits]
    grid = alt.concat(*panels, columns=2, spacing=24).resolve_scale(color="shared", x="shared")
    return finished(grid, subject.stem, subject.title)
