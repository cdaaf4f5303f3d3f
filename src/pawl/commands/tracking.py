"""`pawl track`: what MLflow is told of a run, and what it could not be told before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pawl.commands.opening import opened, print_json
from pawl.errors import EXIT_SERVICE, InputError
from pawl.options import HERE, AllowDirty, ConfigFile, Folder, Json, Reports

EXAMPLE = (
    "Example: MLFLOW_TRACKING_URI=https://mlflow.example.com pawl track\n\n"
    "Later, with what a report brought along: pawl track --sync reports/spool"
)


def track(
    spools: Annotated[
        list[Path] | None, typer.Argument(help="With --sync: folders that hold spools, such as reports/spool.")
    ] = None,
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    allow_dirty: AllowDirty = False,
    sync: Annotated[bool, typer.Option("--sync", help="Deliver what could not be delivered before.")] = False,
    as_json: Json = False,
) -> None:
    """Log each new result to MLflow, one run for each stage key; or, with --sync, what earlier runs left."""
    if sync:
        _sync(folder, config, spools or [])
        return
    if spools:
        raise InputError("folders of spools are for --sync: give it too, or leave them out.")
    from pawl.console import say
    from pawl.schema import Comparison, Stages
    from pawl.session import read_file
    from pawl.steps import end_tracking, track_step

    session, _ = opened(folder, config, reports, allow_dirty)
    stages = read_file(session.reports, "stages.json", Stages, "pawl reproduce")
    comparison = read_file(session.reports, "comparison.json", Comparison, "pawl compare")
    tracking = track_step(session, stages, comparison, say)
    end_tracking(session, tracking)
    if as_json:
        print_json(tracking)


def _sync(folder: Path, config: Path | None, spools: list[Path]) -> None:
    from pawl.config import load_config
    from pawl.console import say
    from pawl.pipeline.project import dvc_root
    from pawl.tracking.server import Checkout
    from pawl.tracking.track import sync

    root = dvc_root(folder.absolute())
    if not sync(Checkout(root, load_config(root, config)), [path.absolute() for path in spools], say):
        raise typer.Exit(EXIT_SERVICE)
