"""A reports folder as the job that comments has it: the JSON files, and what `pawl report` made of them."""

from __future__ import annotations

from pathlib import Path

from pawl.report.document import write_reports
from pawl.session import write_file
from tests.report.examples import Run


def write_run(folder: Path, run: Run, *, report: bool = True, pictures: bool = True) -> Path:
    """Write the run as the training job would and, with `report`, `pawl report`; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    named = {"plan": run.plan, "stages": run.stages, "comparison": run.comparison, "tracking": run.tracking}
    for name, value in named.items():
        if value is not None:
            write_file(folder, f"{name}.json", value)
    if report:
        write_reports(folder, run.plan, run.stages, run.comparison, run.tracking, pictures=pictures)
    return folder
