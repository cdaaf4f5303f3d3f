"""`pawl pull` and `pawl push`: results and their receipts, between this machine and the DVC remote."""

from __future__ import annotations

from typing import Annotated

import typer

from pawl.commands.opening import choices, opened, reports_of
from pawl.options import HERE, ConfigFile, Folder, Reports, Rescore

PULL_EXAMPLE = "Example: pawl plan && pawl pull && pawl reproduce --no-remote"
PUSH_EXAMPLE = "Example: pawl plan --base HEAD --all && pawl reproduce && pawl push"


def pull(folder: Folder = HERE, config: ConfigFile = None, reports: Reports = None, rescore: Rescore = False) -> None:
    """Bring here what `pawl reproduce` will restore or read, so that it can do without the remote."""
    from pawl.console import say
    from pawl.schema import Plan
    from pawl.session import exclusive, open_session, read_file
    from pawl.steps import plan_step, pull_step

    chosen = choices(folder, None, None, config, reports, False, False)
    with exclusive(folder):
        written = read_file(reports_of(chosen), "plan.json", Plan, "pawl plan")
        session = open_session(chosen, made=written)
        made, head_looks, base_looks = plan_step(session, everything=written.everything, force=written.force)
        found = pull_step(session, made, head_looks, base_looks, say, rescored=rescore)
    say(f"pulled: {found} results are on this machine")


def push(
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    pull_requests: Annotated[
        bool, typer.Option("--pull-requests", help="Send what there is to the pull requests' own remote instead.")
    ] = False,
) -> None:
    """Send the results of head with their receipts to the remote: on main, where others take results from."""
    from pawl.console import say
    from pawl.session import exclusive
    from pawl.steps import push_step

    with exclusive(folder):
        session, _ = opened(folder, config, reports, False)
        sent = push_step(session, say, pull_requests=pull_requests)
    say(f"pushed: {sent} stages with their receipts")
