"""Everything that people read about a run, written from the JSON files alone."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from pawl.errors import InputError
from pawl.report.charts import Drawing
from pawl.report.comment import RESERVE_UNITS, render_comment
from pawl.report.files import write_together
from pawl.report.page import render_page
from pawl.report.vega import Vega
from pawl.schema import Comparison, Plan, Stages, Tracking

_OURS = re.compile(r"(forest|curves|confusion|reliability|flips|classes)(-[a-z0-9]+)*\.(svg|png)")


def write_reports(
    folder: Path,
    plan: Plan,
    stages: Stages | None,
    comparison: Comparison,
    tracking: Tracking | None,
    *,
    pictures: bool = True,
    reserve_units: int = RESERVE_UNITS,
) -> list[Path]:
    """Write `report.md`, `report.html` and, with `pictures`, `plots/*.svg` and `plots/*.png` into `folder`.

    `report.md` is the pull-request comment, at least `reserve_units` UTF-16 units below GitHub's limit. Pictures of an
    earlier run that this one does not have are removed once the new files are in place. Returns the files written.
    Raises InputError where they cannot be written, with the earlier ones left as they were.
    """
    plots = folder / "plots"
    if plots.is_symlink():
        raise InputError(
            f"{plots} is a link, which pictures are not written through: remove it and run `pawl report` again."
        )
    with Vega() as vega:
        drawing = Drawing(comparison, vega) if pictures else None
        comment = render_comment(plan, stages, comparison, tracking, reserve_units=reserve_units)
        drawn = drawing.pictures() if drawing else []
    contents = {
        folder / "report.md": comment.encode(),
        folder / "report.html": render_page(plan, stages, comparison, tracking, drawn).encode(),
    }
    for picture in drawn:
        contents[plots / f"{picture.stem}.svg"] = picture.svg.encode()
        contents[plots / f"{picture.stem}.png"] = picture.png
    written = write_together(contents)
    for old in plots.glob("*") if plots.is_dir() else ():
        if old not in contents and _OURS.fullmatch(old.name):
            with suppress(OSError):
                old.unlink()
    return written
