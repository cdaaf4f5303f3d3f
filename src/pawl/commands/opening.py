"""What commands begin with: the choices that options make, and the files that earlier steps wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pawl.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pawl.scaling.fleet import Engine
    from pawl.schema import Plan
    from pawl.session import Choices, Session


def choices(
    folder: Path,
    base: str | None,
    sets: list[str] | None,
    config: Path | None,
    reports: Path | None,
    no_remote: bool,
    allow_dirty: bool,
) -> Choices:
    """What the options say."""
    from pawl.session import Choices

    return Choices(folder.absolute(), base, tuple(sets or ()), config, reports, not no_remote, allow_dirty)


def reports_of(chosen: Choices) -> Path:
    """Where the JSON files are: the folder given, else `reports/` of the DVC repository."""
    if chosen.reports is not None:
        return chosen.reports.absolute()
    from pawl.pipeline.project import dvc_root

    return dvc_root(chosen.folder) / "reports"


def engine_of(name: str, address: str | None) -> Engine | None:
    """What --engine and --address say; None: this machine."""
    from pawl.scaling.fleet import Engine

    if name == "ray":
        return Engine("ray", address)
    if address is not None:
        raise InputError("--address is that of a cluster: choose one by --engine ray, or leave it out.")
    return None


def opened(folder: Path, config: Path | None, reports: Path | None, allow_dirty: bool) -> tuple[Session, Plan]:
    """The session of a plan that is already written, and the plan."""
    from pawl.schema import Plan
    from pawl.session import open_session, read_file

    chosen = choices(folder, None, None, config, reports, False, allow_dirty)
    made = read_file(reports_of(chosen), "plan.json", Plan, "pawl plan")
    return open_session(chosen, made=made), made


def print_json(value: BaseModel) -> None:
    """A record on standard output, for programs."""
    typer.echo(value.model_dump_json(indent=1))
