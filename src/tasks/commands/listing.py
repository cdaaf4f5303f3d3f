"""`tasks list`: the tasks of params.yaml and what each is."""

from __future__ import annotations

import ast
from pathlib import Path

import typer

from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import read_tasks
from tasks.common.stage.paths import find_root


def list_tasks() -> None:
    """List the tasks of params.yaml and what each is.

    Example: tasks list
    """
    root = find_root(Path.cwd())
    names = read_tasks(root)
    width = max(len(name) for name in names)
    for name in names:
        typer.echo(f"{name:<{width}}  {_summary(root / 'src' / 'tasks' / name / '__init__.py')}")


def _summary(path: Path) -> str:
    try:
        return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    except (OSError, SyntaxError, UnicodeDecodeError):
        raise TaskError(f"{path} cannot be read; add it, or take the task out of params.yaml.") from None
