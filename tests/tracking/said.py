"""A project whose stages could run, and what is said of its runs, without a session around it."""

from __future__ import annotations

from pathlib import Path

from pawl.pipeline.plan import look_over
from pawl.pipeline.project import Project, open_project
from pawl.pipeline.remote import Remote
from pawl.schema import Machine
from pawl.tracking.events import Begun
from pawl.tracking.lineage import About

PARENT = Begun(run="parent-1", name="main", kind="parent", experiment="e", at_ms=1)
MACHINE = Machine(
    device="a processor", cpu_count=2, memory_bytes=8, python="3.11", platform="linux", packages={"dvc": "3"},
    environment_digest="e" * 64,
)  # fmt: skip
ABOUT = About(
    experiment="e", also=None, parent=PARENT, commits={"head": "1" * 40, "base": "2" * 40}, source="ct",
    data_tag="data-7", remote="store gs://b", diff="d", machine=MACHINE,
)  # fmt: skip


def looked_over(root: Path) -> Project:
    """The project there, with the hashes of all that its stages read."""
    project = open_project(root)
    look_over(project, Remote(project))
    return project
