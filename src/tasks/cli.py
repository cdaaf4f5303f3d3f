"""The command `tasks`: stages by hand, inference and tables, with the code of the checkout that one stands in."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from tasks.commands.download import download
from tasks.commands.infer import infer
from tasks.commands.listing import list_tasks
from tasks.commands.overview import overview
from tasks.commands.stages import StageCommand, evaluate, fetch, package, plot, prepare, train
from tasks.commands.tune import tune
from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.paths import find_root
from tasks.common.stage.progress import say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run the stages of a task by hand, as DVC does, and use what they made.\n\n"
    "`dvc repro` runs what is stale and keeps the results; these commands run one stage, whatever its state.\n\n"
    "Example: tasks train digits",
)
for stage in (fetch, prepare, train, evaluate, plot, package):
    app.command(cls=StageCommand)(stage)
app.command(name="list")(list_tasks)
app.command()(infer)
app.command()(download)
app.command()(overview)
app.command()(tune)


def main() -> None:
    """Entry point: exit code 0, 2 for what a user can put right, or the stage's own."""
    try:
        _hand_over(sys.argv[1:])
        app(prog_name="tasks")
    except TaskError as error:
        say(f"error: {error}")
        sys.exit(EXIT_INPUT)


def _hand_over(arguments: list[str]) -> None:
    """Start again with the code of the checkout that one stands in, where this is that of another one."""
    try:
        source = find_root(Path.cwd()) / "src"
    except TaskError:
        return  # The command itself says so, unless it can do without, as --help.
    other = source / "tasks" / "cli.py"
    if not other.is_file() or other.samefile(__file__):
        return
    path = os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])])
    # Without -P, a folder called tasks in the working folder would be taken for the package.
    words = [sys.executable, "-P", "-m", "tasks", *arguments]
    os.execve(sys.executable, words, os.environ | {"PYTHONPATH": path})  # noqa: S606
