"""The command line: each command resolves, does one step, and says what came of it."""

from __future__ import annotations

import signal
from typing import Annotated, NoReturn

import typer

from pawl.commands import ci, doctor, init, judging, noise, publishing, registry, reporting, tracking, transfer
from pawl.commands.opening import choices, engine_of, print_json, reports_of
from pawl.errors import EXIT_GATE, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_STAGE, PawlError
from pawl.options import (
    HERE,
    Address,
    AllowDirty,
    Base,
    ConfigFile,
    EngineName,
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
from pawl.waiting import end_process

app = typer.Typer(
    name="pawl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Continuous training on pull requests: train what changed, measure it against main, say if it got better.",
    epilog="Exit codes: 0 fine, 1 no (the gate, doctor, init or verify), 2 bad input, 3 a stage failed, "
    "4 a service failed, 130 stopped.",
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
    engine: EngineName = "local",
    address: Address = None,
    rescore: Rescore = False,
    as_json: Json = False,
) -> None:
    """Carry out plan.json: restore results by key, run what nobody has run, on head and on base."""
    from pawl.console import say, watch
    from pawl.schema import Plan
    from pawl.session import exclusive, open_session, read_file
    from pawl.steps import plan_step, reproduce_step

    chosen = choices(folder, None, None, config, reports, no_remote, allow_dirty)
    machines = engine_of(engine, address)
    with exclusive(folder):
        written = read_file(reports_of(chosen), "plan.json", Plan, "pawl plan")
        session = open_session(chosen, made=written)
        made, head_looks, base_looks = plan_step(session, everything=written.everything, force=written.force)
        stages = reproduce_step(
            session,
            made,
            head_looks,
            base_looks,
            say,
            jobs=jobs,
            watch=watch,
            rescored=rescore,
            tracked=True,
            engine=machines,
        )
    if as_json:
        print_json(stages)
    if stages.failed("head"):
        raise typer.Exit(EXIT_STAGE)


app.command(epilog=transfer.PULL_EXAMPLE)(transfer.pull)
app.command(epilog=transfer.PUSH_EXAMPLE)(transfer.push)
app.command(epilog=judging.COMPARE_EXAMPLE)(judging.compare)


app.command(epilog=tracking.EXAMPLE)(tracking.track)
app.command(epilog=reporting.EXAMPLE)(reporting.report)


app.command(epilog=judging.GATE_EXAMPLE)(judging.gate)


app.command(epilog=publishing.PICTURES_EXAMPLE)(publishing.pictures)
app.command(epilog=publishing.COMMENT_EXAMPLE)(publishing.comment)
app.command(epilog=publishing.ISSUE_EXAMPLE)(publishing.issue)


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
    engine: EngineName = "local",
    address: Address = None,
    rescore: Rescore = False,
    pictures: Annotated[bool, typer.Option(help="Draw the pictures too.")] = True,
    as_json: Json = False,
) -> None:
    """Plan, reproduce, compare, track, report and gate, in one go; the same on a laptop as on the runner."""
    from pawl.console import say, show_comparison, watch
    from pawl.report.document import write_reports
    from pawl.session import exclusive, open_session
    from pawl.steps import compare_step, end_tracking, plan_step, reproduce_step, track_step

    chosen = choices(folder, base, sets, config, reports, no_remote, allow_dirty)
    machines = engine_of(engine, address)
    with exclusive(folder):
        session = open_session(chosen)
        made, head_looks, base_looks = plan_step(session, everything=everything, force=force)
        stages = reproduce_step(
            session,
            made,
            head_looks,
            base_looks,
            say,
            jobs=jobs,
            watch=watch,
            rescored=rescore,
            tracked=True,
            engine=machines,
        )
        comparison = compare_step(session, made, stages)
        tracked = track_step(session, stages, comparison, say)
        drawn = pictures and comparison.verdict != "unchanged"
        write_reports(session.reports, made, stages, comparison, tracked, pictures=drawn)
        end_tracking(session, tracked)
    print_json(comparison) if as_json else show_comparison(comparison, session.reports)
    if comparison.verdict == "failed":
        raise typer.Exit(EXIT_STAGE)
    if not comparison.gate_passed:
        raise typer.Exit(EXIT_GATE)


app.command(epilog=registry.PROMOTE_EXAMPLE)(registry.promote)
app.command(epilog=registry.VERIFY_EXAMPLE)(registry.verify)
app.command(epilog=noise.EXAMPLE)(noise.noise)
app.add_typer(ci.app)
app.command(epilog=doctor.EXAMPLE)(doctor.doctor)
app.command(epilog=init.EXAMPLE)(init.init)


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
        if not isinstance(end.code, int):
            raise
        code = end.code
    end_process(code)


def _told(message: str, code: int) -> int:
    if _Debug.on:
        import traceback

        traceback.print_exc()
    typer.echo(f"pawl: {message}", err=True)
    return code
