"""plot: one picture for each metric of the history, with a panel for each fold or phase."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

_COLOURS = {"train": "#8a8a8a", "validation": "#1f6feb"}
_SIDES = {"train": "train", "val": "validation"}
_PANEL_COLUMNS = 3

Row = dict[str, Any]


def run(paths: TaskPaths) -> None:
    """Write results/<task>/curves/<metric>.png. Raises TaskError where there is no history."""
    import altair as alt
    import vl_convert

    curves = read_curves(paths.history / "plots" / "metrics")
    if not curves:
        raise TaskError(f"{paths.history / 'plots'} holds no history of a training; run the stage train first.")
    with new_folder(paths.curves) as folder:
        for metric, rows in curves.items():
            spec = _chart(alt, metric, rows).to_dict()
            (folder / f"{metric}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    say(f"plot {paths.task}: {', '.join(curves)}")


def read_curves(folder: Path) -> Mapping[str, list[Row]]:
    """For each metric its rows (panel, side, epoch, value), from files such as `fold-0/train/loss.tsv`."""
    curves: dict[str, list[Row]] = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        *panel, side, metric = path.relative_to(folder).with_suffix("").parts
        if side not in _SIDES:
            continue
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                curves[metric].append(
                    {
                        "panel": " ".join(panel).replace("_", " ") or "all",
                        "side": _SIDES[side],
                        "epoch": int(row["step"]),
                        "value": float(row[metric]),
                    }
                )
    return dict(sorted(curves.items()))


def _chart(alt: Any, metric: str, rows: list[Row]) -> Any:
    panels = sorted({row["panel"] for row in rows})
    # A line of one epoch would be nothing to see.
    lines = alt.Chart(alt.Data(values=rows)).mark_line(point={"size": 18})
    lines = lines.encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title=metric.replace("_", " "), scale=alt.Scale(zero=False)),
        color=alt.Color(
            "side:N",
            title=None,
            scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
            legend=alt.Legend(orient="top"),
        ),
    ).properties(width=420 if len(panels) == 1 else 240, height=240)
    if len(panels) == 1:
        return lines.properties(title=metric.replace("_", " "))
    return lines.facet(alt.Facet("panel:N", title=None), columns=_PANEL_COLUMNS).properties(title=metric)
