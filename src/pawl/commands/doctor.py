"""`pawl doctor`: what is missing or unsafe, before it costs GPU time."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from pawl.commands.opening import print_json
from pawl.errors import EXIT_GATE, InputError
from pawl.options import HERE, ConfigFile, Folder

EXAMPLE = (
    "Example: GITHUB_TOKEN=... pawl doctor --github. "
    "Exit codes: 0 no error (warnings there may be), 1 at least one error, 2 bad input."
)


def doctor(
    folder: Folder = HERE,
    config: ConfigFile = None,
    github: Annotated[
        bool, typer.Option("--github", help="Ask GitHub too, with GITHUB_TOKEN: rules, runners, secrets' names.")
    ] = False,
    probe_write: Annotated[
        bool, typer.Option("--probe-write", help="Write one small object to each DVC remote, and remove it again.")
    ] = False,
    read_only: Annotated[
        list[str] | None,
        typer.Option("--read-only", metavar="REMOTE", help="A remote that must refuse --probe-write; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as JSON on standard output.")] = False,
) -> None:
    """Check machine, repository, remotes and services, and with --github the settings there; say what to do."""
    from pawl.doctor.examine import examine
    from pawl.doctor.table import show_diagnosis

    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: name one of the repository with --repository.")
    if read_only and not probe_write:
        raise InputError("--read-only is tested by writing: give --probe-write too.")
    diagnosis = examine(
        folder.absolute(),
        config,
        os.environ,
        with_github=github,
        probe_write=probe_write,
        read_only=tuple(read_only or ()),
    )
    print_json(diagnosis) if as_json else show_diagnosis(diagnosis)
    if diagnosis.has_errors:
        raise typer.Exit(EXIT_GATE)
