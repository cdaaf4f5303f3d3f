"""`pawl ci ...`: the steps of the workflows that know what GitHub is; each reads the event by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pawl.commands.opening import choices, reports_of
from pawl.errors import EXIT_STAGE, InputError
from pawl.options import HERE, Folder, Jobs, NoRemote, Reports

if TYPE_CHECKING:
    from pawl.actions.runs import Run

_SHARE = typer.Option("--share", envvar="PAWL_SHARE", metavar="JSON", help="What `pawl ci plan` gave this runner.")
ShareText = Annotated[str | None, _SHARE]
ShareOfRunner = Annotated[str, _SHARE]

app = typer.Typer(
    name="ci",
    no_args_is_help=True,
    help="Steps of the workflows in .github/workflows; outside of GitHub Actions use `pawl run`.",
)


@app.command()
def decide(folder: Folder = HERE) -> None:
    """Say who may do what in this run, as outputs for the jobs that follow."""
    from pawl.actions.outputs import decision_outputs
    from pawl.actions.runs import write_outputs
    from pawl.console import say

    run = _run(asks=True)
    write_outputs(os.environ, decision_outputs(run, folder.absolute()))
    say(run.decision.reason or "this run may train")


@app.command()
def plan(
    folder: Folder = HERE,
    no_remote: NoRemote = False,
    fan_out: Annotated[
        bool, typer.Option("--fan-out", envvar="PAWL_FAN_OUT", help="Share the work out to several runners.")
    ] = False,
) -> None:
    """Plan what the event asks for; say whether a GPU is needed, and end with the results where none is."""
    from pawl.actions.planning import plan_run
    from pawl.actions.runs import write_outputs
    from pawl.console import say

    planned = plan_run(_run(asks=True), folder.absolute(), use_remote=not no_remote, say=say, shared=fan_out)
    write_outputs(os.environ, {"train": str(planned.train).lower(), **planned.shares})
    _summary(planned.text)


@app.command()
def pull(folder: Folder = HERE, no_remote: NoRemote = False, share: ShareText = None) -> None:
    """Plan, and bring here all that training will read: after this no step needs credentials."""
    from pawl.actions.planning import pull_run
    from pawl.console import say

    pull_run(_run(asks=True), folder.absolute(), use_remote=not no_remote, say=say, share=share)


@app.command()
def train(folder: Folder = HERE, jobs: Jobs = None) -> None:
    """Carry out the plan with what is on this machine, as the event asks for it."""
    from pawl.actions.planning import train_run
    from pawl.actions.runs import unsay
    from pawl.console import say, watch

    try:
        stages = train_run(_run(), folder.absolute(), jobs=jobs, say=say, watch=watch)
    finally:
        unsay(os.environ)
    if stages.failed("head"):
        raise typer.Exit(EXIT_STAGE)


@app.command()
def share(stages: ShareOfRunner, folder: Folder = HERE, jobs: Jobs = None) -> None:
    """Carry out one runner's share of the plan with what is on this machine."""
    from pawl.actions.runs import unsay
    from pawl.actions.sharing import share_run
    from pawl.console import say, watch

    try:
        results = share_run(folder.absolute(), stages, jobs=jobs, say=say, watch=watch)
    finally:
        unsay(os.environ)
    if results.failed("head") or results.failed("base"):
        raise typer.Exit(EXIT_STAGE)


@app.command()
def keep(stages: ShareOfRunner, folder: Folder = HERE) -> None:
    """Send the results of one runner's share to the pull requests' remote, where the other runners find them."""
    from pawl.actions.sharing import keep_run
    from pawl.console import say

    sent = keep_run(folder.absolute(), stages, say=say)
    say(f"pushed: {sent} stages with their receipts")


@app.command()
def compare(folder: Folder = HERE) -> None:
    """Judge the results of the training."""
    from pawl.actions.planning import compare_run
    from pawl.console import show_comparison

    show_comparison(compare_run(_run(), folder.absolute()))


@app.command()
def receive(
    handed_over: Annotated[Path, typer.Argument(help="What the training job handed over.")],
    reports: Annotated[Path, typer.Argument(help="New folder for what is valid of it.")],
) -> None:
    """Take over the JSON files that are valid, and nothing else; the job goes on and reports what was wrong."""
    from pawl.actions.receive import receive as take_over
    from pawl.actions.receive import revisions
    from pawl.console import say

    run = _run()
    sha = os.environ.get("GITHUB_SHA", "")
    base, head = revisions(run.event, run.commit or sha)
    problem = take_over(handed_over, reports, base, head, run.commit or sha)
    say(problem or "everything that was handed over is valid")


@app.command()
def report(reports: Reports = None) -> None:
    """Write report.md and report.html from what was taken over; of a dry run the plan alone."""
    from pawl.commands.reporting import report as write
    from pawl.console import say
    from pawl.report.files import write_together
    from pawl.report.plan_text import plan_text
    from pawl.schema import Plan
    from pawl.session import read_file

    if not _run().wishes.dry_run:
        write(HERE, reports)
        return
    place = reports_of(choices(HERE, None, None, None, reports, False, False))
    text = plan_text(read_file(place, "plan.json", Plan, "pawl ci receive"))
    write_together({place / "report.md": text.encode()})
    say(f"report: {place / 'report.md'}")


@app.command()
def comment(reports: Reports = None) -> None:
    """Post the report. What was measured as somebody wished it is a comment of its own, and sets no status."""
    from pawl.publish.step import publish

    run = _run()
    place = reports_of(choices(HERE, None, None, None, reports, False, False))
    title = "pawl" if run.decides_gate else "pawl-plan" if run.wishes.dry_run else "pawl-dispatch"
    about = run.about or os.environ.get("GITHUB_SHA")
    gate = run.decides_gate
    publish(place, slug=None, pull_request=None, commit=about, via="auto", status=gate, check=gate, title=title)


@app.command()
def chat() -> None:
    """Carry out the command in a comment, if its author may: start a run, and answer with a reaction."""
    from pawl.actions.conversation import answer
    from pawl.actions.events import read_event
    from pawl.console import say

    answer(_api(), read_event(os.environ.get("GITHUB_EVENT_PATH")), say)


@app.command()
def record(
    lock: Annotated[Path, typer.Argument(help="dvc.lock as the run on main left it.")],
    folder: Folder = HERE,
) -> None:
    """Record main's dvc.lock in the repository: by a commit, by a pull request, or not, as pawl.yaml has it."""
    from pawl.actions.events import inside, read_event
    from pawl.actions.record import record_lock
    from pawl.config import load_config
    from pawl.console import say

    event = read_event(os.environ.get("GITHUB_EVENT_PATH"))
    branch = inside(event, "repository", "default_branch") or "main"
    mode = load_config(folder.absolute()).promote.lock
    record_lock(_api(), lock, mode, branch, os.environ.get("GITHUB_SHA", ""), say)


def _run(*, asks: bool = False) -> Run:
    """This run; `asks`: whether GitHub is asked of the commit of a pull request that a dispatch names."""
    from pawl.actions.runs import current_run

    return current_run(os.environ, (lambda path: _api().read(path)[0]) if asks else None)


def _api() -> Any:
    from pawl.publish.environment import target_from_environment
    from pawl.publish.github_api import GitHubApi
    from pawl.publish.retry import Patience

    return GitHubApi(target_from_environment(os.environ), Patience(), lambda line: typer.echo(line, err=True))


def _summary(text: str) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        try:
            with Path(path).open("a", encoding="utf-8") as sink:
                sink.write(text)
        except OSError as error:
            raise InputError(f"{path} (GITHUB_STEP_SUMMARY) cannot be written: {error.strerror}.") from None
