"""`tasks fetch`, `prepare`, `train`, `evaluate`, `plot` and `package`: one stage of one task, whatever its state."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from tasks.commands.parameters import parameter_lines
from tasks.common.stage.paths import find_root

TaskName = Annotated[str, typer.Argument(metavar="TASK", help="A task with a block in params.yaml, such as digits.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Values for this run in place of those in params.yaml, such as epochs=1 or train.epochs=1.",
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class StageCommand(TyperCommand):
    """A command whose help, after the name of a task, lists the parameters of the stage for that task."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember the words, because `--help` ends the parsing before they are read."""
        ctx.meta["words"] = [word for word in args if not word.startswith("-")]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, then the parameters."""
        super().format_help(ctx, formatter)
        for task in ctx.meta.get("words", [])[:1]:
            for line in parameter_lines(find_root(Path.cwd()), task, str(ctx.info_name)):
                typer.echo(line)


def fetch(task: TaskName, overrides: Overrides = None, debug: Debug = False) -> None:
    """Write the raw data to data/TASK/raw.

    Example: tasks fetch digits
    """
    _run("fetch", task, overrides, debug)


def prepare(task: TaskName, overrides: Overrides = None, debug: Debug = False) -> None:
    """Check and split the raw data into data/TASK/prepared.

    Example: tasks prepare digits seed=2
    """
    _run("prepare", task, overrides, debug)


def train(task: TaskName, overrides: Overrides = None, debug: Debug = False) -> None:
    """Train the model into models/TASK, with its history in results/TASK.

    Example: tasks train digits train.epochs=1 trainer.fast_dev_run=true

    Its parameters: tasks train digits --help
    """
    _run("train", task, overrides, debug)


def evaluate(task: TaskName, overrides: Overrides = None, debug: Debug = False) -> None:
    """Judge the model on the test split, into results/TASK.

    Example: tasks evaluate digits
    """
    _run("evaluate", task, overrides, debug)


def plot(task: TaskName, debug: Debug = False) -> None:
    """Draw the history of the training, into results/TASK/curves.

    Example: tasks plot digits
    """
    _run("plot", task, None, debug)


def package(task: TaskName, overrides: Overrides = None, debug: Debug = False) -> None:
    """Write packages/TASK: the model with all that its answers take, for MLflow, on machines without this repository.

    Example: tasks package digits
    """
    _run("package", task, overrides, debug)


def _run(stage: str, task: str, overrides: list[str] | None, debug: bool) -> NoReturn:
    os.chdir(find_root(Path.cwd()))
    # The very command of dvc.yaml, in place of this process, so that signals and exit code are the stage's own.
    command = ["src/tasks/package.py"] if stage == "package" else ["src/tasks/stage.py", stage]
    words = [*command, task, *(overrides or []), *(["--debug"] if debug else [])]
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606
