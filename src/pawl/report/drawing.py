"""What all pictures have in common: see-through, in two colours and an ink that light and dark pages can carry.

They stand on GitHub's light and dark pages and on paper alike: nothing behind them, grey text in the middle, and
colours of middling lightness. Lines of base are dashed as well, so that the sides differ without their colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pawl.report.escape import one_line
from pawl.report.vega import Chart
from pawl.schema import Comparison

INK = "#7d8590"
GRID = "#80808040"
BASE_COLOUR = "#c9762b"
HEAD_COLOUR = "#2f81f7"
BETTER_COLOUR = "#2a9d4e"
WORSE_COLOUR = "#e5484d"
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
MOST_CLASSES = 30


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


_CONFIG: Chart = {
    "background": "transparent",
    "font": FONT,
    "padding": 8,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": GRID,
        "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 120,
    },
    "title": {
        "color": INK, "fontSize": 13, "anchor": "start", "frame": "group", "fontWeight": 600, "limit": 320,
    },
    "legend": {
        "labelColor": INK, "titleColor": INK, "labelFontSize": 12, "symbolStrokeWidth": 2.5, "symbolSize": 400,
        "labelLimit": 320,
    },
}  # fmt: skip


def finished(chart: Chart) -> Chart:
    """The chart in the look of all of them."""
    return {**chart, "config": _CONFIG}


def field(name: str, kind: Literal["nominal", "quantitative"], **more: Any) -> Chart:
    """What a channel of a chart shows: a key of the rows, and how it is to be read."""
    return {"field": name, "type": kind, **more}


def side_colours(sides: Sequence[str], **legend: Any) -> Chart:
    """The channel that gives each side its colour, with a legend above the chart."""
    scale = {"domain": list(sides), "range": [BASE_COLOUR, HEAD_COLOUR]}
    return field("side", "nominal", title=None, scale=scale, legend={"orient": "top", **legend})


def side_dashes(sides: Sequence[str]) -> Chart:
    """The channel that has base's lines dashed."""
    return field("side", "nominal", title=None, scale={"domain": list(sides), "range": [[5, 3], [1, 0]]})


def side_names(comparison: Comparison) -> tuple[str, str]:
    """Base and head as a legend names them."""
    base, head = comparison.base, comparison.head
    return (
        f"base: {one_line(base.name, 24)} {base.commit[:7]}",
        f"head: {one_line(head.name, 24)} {head.commit[:7]}",
    )


def distinct(labels: Sequence[str], limit: int = 18) -> list[str]:
    """Labels short enough for an axis, still all different, because equal ones would share a row."""
    shown: list[str] = []
    for i, label in enumerate(labels):
        short = one_line(label, limit) or "(empty)"
        while short in shown:
            short += f" [{i}]"
        shown.append(short)
    return shown
