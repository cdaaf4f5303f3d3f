"""The command `tasks`: a task's stages by hand, with the code of the checkout that one stands in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.params import read_tasks
from tasks.common.stage.paths import find_root
from tasks.common.stage.progress import say

EXIT_INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run the stages of a task by hand, as DVC does.\n\n"
    "`dvc repro` runs what is stale and keeps the results; these commands run one stage, whatever its state.\n\n"
    "Example: tasks train digits",
)

TaskName = Annotated[str, typer.Argument(metavar="TASK", help="A task that params.yaml lists, such as digits.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.command()
def fetch(task: TaskName, debug: Debug = False) -> None:
    """Write the raw data to data/TASK/raw.

    Example: tasks fetch digits
    """
    _run("fetch", task, debug)


@app.command()
def prepare(task: TaskName, debug: Debug = False) -> None:
    """Check and split the raw data into data/TASK/prepared.

    Example: tasks prepare digits
    """
    _run("prepare", task, debug)


@app.command()
def train(task: TaskName, debug: Debug = False) -> None:
    """Train the model into models/TASK, with its history in results/TASK.

    Example: tasks train digits
    """
    _run("train", task, debug)


@app.command()
def evaluate(task: TaskName, debug: Debug = False) -> None:
    """Judge the model on the test split, into results/TASK.

    Example: tasks evaluate digits
    """
    _run("evaluate", task, debug)


@app.command(name="list")
def list_tasks() -> None:
    """List the tasks of params.yaml and what each is.

    Example: tasks list
    """
    root = find_root(Path.cwd())
    names = read_tasks(root)
    width = max(len(name) for name in names)
    for name in names:
        typer.echo(f"{name:<{width}}  {_summary(root / 'src' / 'tasks' / name / '__init__.py')}")


def main() -> None:
    """Entry point: exit code 0, 2 for what a user can put right, or the stage's own."""
    try:
        app(prog_name="tasks")
    except TaskError as error:
        say(f"error: {error}")
        sys.exit(EXIT_INPUT)


def _run(stage: str, task: str, debug: bool) -> None:
    root = find_root(Path.cwd())
    # The very command of dvc.yaml: this module may be installed from another checkout than the one stood in.
    command = [sys.executable, "src/tasks/stage.py", stage, task, *(["--debug"] if debug else [])]
    try:
        code = subprocess.run(command, cwd=root, check=False).returncode
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    raise typer.Exit(code if code >= 0 else EXIT_INTERRUPTED)


def _summary(path: Path) -> str:
    try:
        return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    except (OSError, SyntaxError, UnicodeDecodeError):
        raise TaskError(f"{path} cannot be read; add it, or take the task out of params.yaml.") from None
