"""`pawl init`: bring pawl into a repository that has a DVC pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from pawl.commands.opening import print_json
from pawl.errors import EXIT_GATE
from pawl.options import HERE, Folder

EXAMPLE = (
    "Example: pawl init && pawl init --check. Exit codes: 0 fine, 1 with --check something has drifted, "
    "without it something could not be written, 2 bad input."
)


def init(
    folder: Folder = HERE,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; say what differs from what is written.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON on standard output.")] = False,
) -> None:
    """Write workflows, pawl.yaml with guessed directions, and the few lines git needs; overwrite nothing."""
    from pawl.init.begin import begin
    from pawl.init.table import show_setup

    setup = begin(folder.absolute(), check=check)
    print_json(setup) if as_json else show_setup(setup)
    if setup.drifted if check else any(file.state == "blocked" for file in setup.files):
        raise typer.Exit(EXIT_GATE)
