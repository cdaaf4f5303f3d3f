"""A plot of how cost grows: CPU seconds and peak memory against n, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth import Point, by_step

SIDE = 150
COLUMNS = 5
GUIDE = "n log n"
"""A dashed line through the last point of each panel: what is steeper than it grows faster."""
_MEASURED, _GUIDE = "#4c78a8", "#9a9a9a"


def draw_growth(points: Sequence[Point], folder: Path) -> list[Path]:
    """Write `growth.svg` and `growth.png` into `folder`: two panels for each step, seconds above memory."""
    import vl_convert as vlc

    spec = growth_chart(points).to_json()
    folder.mkdir(parents=True, exist_ok=True)
    svg, png = folder / "growth.svg", folder / "growth.png"
    svg.write_text(vlc.vegalite_to_svg(spec), encoding="utf-8")
    png.write_bytes(vlc.vegalite_to_png(spec, scale=2))
    return [svg, png]


def growth_chart(points: Sequence[Point]) -> Any:
    """The panels as an Altair chart."""
    import altair as alt

    steps = list(by_step(points).values())
    rows = [steps[start : start + COLUMNS] for start in range(0, len(steps), COLUMNS)]
    return (
        alt.vconcat(
            *(alt.hconcat(*(_panel(of, unit) for of in row)) for row in rows for unit in ("CPU seconds", "peak MiB"))
        )
        .properties(title=f"Dashed: {GUIDE} through the largest size")
        .configure(font="sans-serif")
    )


def _panel(points: Sequence[Point], unit: str) -> Any:
    import altair as alt

    last = points[-1]
    x = alt.X("n:Q", title=last.unit, scale=alt.Scale(type="log"), axis=_axis("~s", [point.size for point in points]))
    y = alt.Y(
        "value:Q", title=unit, scale=alt.Scale(type="log"), axis=_axis("~g", [_value(point, unit) for point in points])
    )
    data = alt.Data(values=[{"n": point.size, "value": _value(point, unit)} for point in points])
    line = alt.Chart(data).mark_line(point=True, color=_MEASURED).encode(x, y)
    layers = [line]
    if unit == "CPU seconds":
        guide = alt.Data(values=[{"n": size, "value": value} for size, value in _guide(points)])
        layers.append(alt.Chart(guide).mark_line(strokeDash=[4, 4], color=_GUIDE).encode(x, y))
    title = alt.Title(last.what if unit == "CPU seconds" else "", limit=SIDE * 2, fontSize=11)
    return alt.layer(*layers).properties(width=SIDE, height=SIDE, title=title)


def _axis(format_: str, values: Sequence[float]) -> Any:
    """Ticks at powers of ten alone."""
    import altair as alt

    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    return alt.Axis(format=format_, values=[10.0**power for power in powers])


def _value(point: Point, unit: str) -> float:
    return point.cpu_seconds if unit == "CPU seconds" else point.mib


def _guide(points: Sequence[Point]) -> Iterator[tuple[int, float]]:
    """n log n through the last point, as far down as the least cost measured."""
    last, least = points[-1], min(point.cpu_seconds for point in points)
    per_unit = last.cpu_seconds / (last.size * math.log2(last.size + 1))
    for point in points:
        value = per_unit * point.size * math.log2(point.size + 1)
        if value >= least / 3:
            yield point.size, value
