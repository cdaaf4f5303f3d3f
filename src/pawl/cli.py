"""The command line: each command resolves, does one step, and says what came of it."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, NoReturn

import typer

from pawl.commands import judging, noise
from pawl.commands.opening import choices, opened, print_json, reports_of
from pawl.errors import EXIT_GATE, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_STAGE, PawlError
from pawl.options import (
    HERE,
    AllowDirty,
    Base,
    ConfigFile,
    Everything,
    Folder,
    Force,
    Jobs,
    Json,
    NoRemote,
    Reports,
    Rescore,
    Sets,
)

app = typer.Typer(
    name="pawl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Continuous training on pull requests: train what changed, measure it against main, say if it got better.",
    epilog="Exit codes: 0 fine, 1 the gate says no, 2 bad input, 3 a stage failed, 4 a service failed, 130 stopped.",
)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        from pawl import __version__

        typer.echo(__version__)
        raise typer.Exit
    _Debug.on = debug


class _Debug:
    on = False


@app.command(epilog="Example: pawl plan --base main")
def plan(
    base: Base = None,
    sets: Sets = None,
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    no_remote: NoRemote = False,
    allow_dirty: AllowDirty = False,
    everything: Everything = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say which stages would run, be restored or stay, and why; train nothing."""
    from pawl.console import show_plan
    from pawl.session import exclusive, open_session
    from pawl.steps import plan_step

    chosen = choices(folder, base, sets, config, reports, no_remote, allow_dirty)
    with exclusive(folder):
        made, _, _ = plan_step(open_session(chosen), everything=everything, force=force)
    print_json(made) if as_json else show_plan(made)


@app.command(epilog="Example: pawl plan && pawl reproduce")
def reproduce(
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    no_remote: NoRemote = False,
    allow_dirty: AllowDirty = False,
    jobs: Jobs = None,
    rescore: Rescore = False,
    as_json: Json = False,
) -> None:
    """Carry out plan.json: restore results by key, run what nobody has run, on head and on base."""
    from pawl.console import say, watch
    from pawl.schema import Plan
    from pawl.session import exclusive, open_session, read_file
    from pawl.steps import plan_step, reproduce_step

    chosen = choices(folder, None, None, config, reports, no_remote, allow_dirty)
    with exclusive(folder):
        written = read_file(reports_of(chosen), "plan.json", Plan, "pawl plan")
        session = open_session(chosen, made=written)
        made, head_looks, base_looks = plan_step(session, everything=written.everything, force=written.force)
        stages = reproduce_step(session, made, head_looks, base_looks, say, jobs=jobs, watch=watch, rescored=rescore)
    if as_json:
        print_json(stages)
    if stages.failed("head"):
        raise typer.Exit(EXIT_STAGE)


app.command(epilog=judging.COMPARE_EXAMPLE)(judging.compare)


@app.command(epilog="Example: MLFLOW_TRACKING_URI=https://mlflow.example.com pawl track")
def track(
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    allow_dirty: AllowDirty = False,
    as_json: Json = False,
) -> None:
    """Log each new result to MLflow, one run for each stage key."""
    from pawl.console import say
    from pawl.schema import Comparison, Stages
    from pawl.session import read_file
    from pawl.steps import track_step

    session, _ = opened(folder, config, reports, allow_dirty)
    stages = read_file(session.reports, "stages.json", Stages, "pawl reproduce")
    comparison = read_file(session.reports, "comparison.json", Comparison, "pawl compare")
    tracking = track_step(session, stages, comparison, say)
    if as_json:
        print_json(tracking)


@app.command(epilog="Example: pawl report --reports reports")
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
    write_reports(place, made, stages, comparison, tracking, pictures=pictures)
    say(f"report: {place / 'report.md'} and {place / 'report.html'}")


app.command(epilog=judging.GATE_EXAMPLE)(judging.gate)


@app.command(epilog="Example: GITHUB_TOKEN=... pawl comment --repository-slug acme/ct --pull-request 7")
def comment(
    folder: Folder = HERE,
    reports: Reports = None,
    slug: Annotated[str | None, typer.Option("--repository-slug", help="owner/name; default: the workflow's.")] = None,
    pull_request: Annotated[int | None, typer.Option(help="Its number; default: the workflow's event's.")] = None,
    commit: Annotated[str | None, typer.Option(help="Commit to set the status of; default: comparison.json's.")] = None,
    via: Annotated[str, typer.Option(help="auto, cml or api.")] = "auto",
    status: Annotated[bool, typer.Option(help="Set the commit status `pawl` too.")] = True,
) -> None:
    """Post report.md as the one sticky comment of the pull request, and the verdict as a commit status."""
    from pawl.publish.step import publish

    place = reports_of(choices(folder, None, None, None, reports, False, False))
    publish(place, slug=slug, pull_request=pull_request, commit=commit, via=via, status=status)


@app.command(epilog="Example: pawl run --set digits.train.learning_rate=0.01")
def run(
    base: Base = None,
    sets: Sets = None,
    folder: Folder = HERE,
    config: ConfigFile = None,
    reports: Reports = None,
    no_remote: NoRemote = False,
    allow_dirty: AllowDirty = False,
    everything: Everything = False,
    force: Force = False,
    jobs: Jobs = None,
    rescore: Rescore = False,
    pictures: Annotated[bool, typer.Option(help="Draw the pictures too.")] = True,
    as_json: Json = False,
) -> None:
    """Plan, reproduce, compare, track, report and gate, in one go; the same on a laptop as on the runner."""
    from pawl.console import say, show_comparison, watch
    from pawl.report.document import write_reports
    from pawl.session import exclusive, open_session
    from pawl.steps import compare_step, plan_step, reproduce_step, track_step

    chosen = choices(folder, base, sets, config, reports, no_remote, allow_dirty)
    with exclusive(folder):
        session = open_session(chosen)
        made, head_looks, base_looks = plan_step(session, everything=everything, force=force)
        stages = reproduce_step(session, made, head_looks, base_looks, say, jobs=jobs, watch=watch, rescored=rescore)
        comparison = compare_step(session, made, stages)
        tracking = track_step(session, stages, comparison, say)
        drawn = pictures and comparison.verdict != "unchanged"
        write_reports(session.reports, made, stages, comparison, tracking, pictures=drawn)
    print_json(comparison) if as_json else show_comparison(comparison, session.reports)
    if comparison.verdict == "failed":
        raise typer.Exit(EXIT_STAGE)
    if not comparison.gate_passed:
        raise typer.Exit(EXIT_GATE)


app.command(epilog=noise.EXAMPLE)(noise.noise)


def main() -> NoReturn:
    """Run the command line; every error that a user can cause ends in one sentence and its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled job ends as a Ctrl-C does
    try:
        app()
        code = 0
    except PawlError as error:
        code = _told(str(error), error.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _told(
            f"{where}{error.strerror or error}: free space there or make it usable, and try again.", EXIT_INPUT
        )
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:
            _told("interrupted; what was complete is kept, nothing half-made is.", EXIT_INTERRUPTED)
        raise
    sys.exit(code)


def _told(message: str, code: int) -> int:
    if _Debug.on:
        import traceback

        traceback.print_exc()
    typer.echo(f"pawl: {message}", err=True)
    return code
