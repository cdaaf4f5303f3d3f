"""`pawl report`: what people read."""

from __future__ import annotations

from typing import Annotated

import typer

from pawl.commands.opening import choices, reports_of
from pawl.options import HERE, Folder, Reports

EXAMPLE = "Example: pawl report --reports reports"


def report(
    folder: Folder = HERE,
    reports: Reports = None,
    pictures: Annotated[bool, typer.Option(help="Draw the pictures too.")] = True,
) -> None:
    """Write report.md and report.html from the JSON files; needs nothing else of the repository."""
    from pawl.console import say
    from pawl.report.document import write_reports
    from pawl.schema import Comparison, Plan, Stages, Tracking
    from pawl.session import read_file

    place = reports_of(choices(folder, None, None, None, reports, False, False))
    made = read_file(place, "plan.json", Plan, "pawl plan")
    stages = read_file(place, "stages.json", Stages, "pawl reproduce") if (place / "stages.json").exists() else None
    comparison = read_file(place, "comparison.json", Comparison, "pawl compare")
    tracking = read_file(place, "tracking.json", Tracking, "pawl track") if (place / "tracking.json").exists() else None
    drawn = pictures and comparison.verdict != "unchanged"
    write_reports(place, made, stages, comparison, tracking, pictures=drawn)
    say(f"report: {place / 'report.md'} and {place / 'report.html'}")
