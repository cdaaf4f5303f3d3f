"""`tasks infer`: what a trained model says of files."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.params import check_task
from tasks.common.stage.paths import TaskPaths, find_root
from tasks.common.stage.progress import say
from tasks.registered.locate import Location, default_name, fetch, locate
from tasks.registered.package import ask_package
from tasks.registered.signature import KEY_FILE, SIGNATURE_FILE, verify

if TYPE_CHECKING:
    from tasks.common.inference.result import Inferred

_BAR_CHARACTERS = 24


def infer(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task with a block in params.yaml, such as pets.")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="What the task's model takes, such as photos.")
    ],
    top_k: Annotated[int, typer.Option(min=1, help="How many of the most likely labels to show.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one entry an answer.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for written answers, such as masks; otherwise results/TASK/inferred.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A package instead of models/TASK: an alias in the registry such as champion, a folder such as "
            "packages/TASK, models:/NAME@ALIAS, models:/NAME/VERSION or runs:/RUN/PATH, of MLFLOW_TRACKING_URI.",
        ),
    ] = None,
    registered_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the model of an alias is registered as; otherwise REPOSITORY-TASK."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Public key that the package must be signed with; otherwise model-signing.pub of this repository, if "
            "it has one.",
        ),
    ] = None,
) -> None:
    """Ask the trained model of a task about files, with the model's own preprocessing and labels.

    A file that cannot be answered is named on standard error, and the exit code is 2 after the others were answered.

    Example: tasks infer pets photo.jpg other.jpg --top-k 2

    Example: tasks infer pets photo.jpg --model champion
    """
    root = find_root(Path.cwd())
    paths = TaskPaths(root, task)
    written = out or root / "results" / task / "inferred"
    if model is None:
        for option, value in (("--key", key), ("--registered-name", registered_name)):
            if value is not None:
                raise TaskError(f"{option} is of a package; name it with --model.")
        answers = _infer(paths, files, written)
    else:
        name = registered_name or default_name(root, task)
        answers = _ask(locate(model, name), paths, files, written, key)
    if as_json:
        typer.echo(json.dumps([as_object(answer, top_k) for answer in answers], indent=2, ensure_ascii=False))
    else:
        for answer in answers:
            if answer.problem is None:
                typer.echo("\n".join(answer_lines(answer, top_k)) + "\n")
    bad = [answer for answer in answers if answer.problem is not None]
    for answer in bad:
        say(f"error: {answer.source}: {answer.problem}.")
    if bad:
        raise typer.Exit(EXIT_INPUT)


def answer_lines(answer: Inferred, top_k: int) -> list[str]:
    """The lines that answer one file: its name, the `top_k` likeliest labels, and what was written."""
    lines = [answer.source]
    likeliest = top(answer, top_k)
    width = max((len(label) for label, _ in likeliest), default=0)
    for label, probability in likeliest:
        mark = "*" if label in answer.predicted else " "
        bar = "#" * round(probability * _BAR_CHARACTERS)
        lines.append(f"  {mark} {label:<{width}}  {probability:.4f}  {bar}".rstrip())
    if answer.written:
        lines.append(f"    written: {answer.written}")
    return lines


def as_object(answer: Inferred, top_k: int) -> dict[str, object]:
    """The answer as it stands in the JSON list: a problem, or labels with probabilities, the likeliest first."""
    if answer.problem is not None:
        return {"source": answer.source, "problem": answer.problem}
    content: dict[str, object] = {
        "source": answer.source,
        "predicted": list(answer.predicted),
        "labels": dict(top(answer, top_k)),
    }
    return content | ({"written": str(answer.written)} if answer.written else {})


def top(answer: Inferred, top_k: int) -> list[tuple[str, float]]:
    """The `top_k` labels of the highest probability; ties keep the order of the model's labels."""
    return sorted(answer.labels.items(), key=lambda item: -item[1])[:top_k]


def _ask(location: Location, paths: TaskPaths, files: Sequence[Path], out: Path, key: Path | None) -> list[Inferred]:
    """The answers of a package, which is verified before any of its code is run."""
    check_task(paths.root, paths.task)
    own_key = paths.root / KEY_FILE
    trusted = key or (own_key if own_key.is_file() else None)
    with tempfile.TemporaryDirectory(prefix="package-") as name:
        folder = location.folder or fetch(location.uri or "", Path(name))
        if trusted:
            verify(folder, trusted)
        elif (folder / SIGNATURE_FILE).is_file():
            say(f"the signature of {folder} is not checked: there is no {KEY_FILE} here; name a key with --key.")
        return ask_package(folder, paths.task, files, out)


def _infer(paths: TaskPaths, files: Sequence[Path], out: Path) -> list[Inferred]:
    check_task(paths.root, paths.task)
    name = f"tasks.{paths.task}.infer"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise TaskError(f"{paths.task} has no src/tasks/{paths.task}/infer.py; add it to use its models.") from None
    answers: list[Inferred] = module.load(paths)(files, out)
    return answers
