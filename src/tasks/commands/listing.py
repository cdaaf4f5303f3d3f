"""`tasks list`: the tasks that there are, and what each is."""

from __future__ import annotations

import ast
from pathlib import Path

import typer

from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import read_blocks, read_tasks
from tasks.common.stage.paths import find_root


def list_tasks() -> None:
    """List the tasks, what each is, and whether params.yaml has the pipelines run it.

    Example: tasks list
    """
    root = find_root(Path.cwd())
    run = read_tasks(root)
    others = [name for name in read_blocks(root) if name not in run]
    width = max(len(name) for name in (*run, *others))
    for name in (*run, *others):
        summary = _summary(root / "src" / "tasks" / name / "__init__.py")
        typer.echo(f"{name:<{width}}  {summary}{' (not in `tasks`)' if name in others else ''}")


def _summary(path: Path) -> str:
    try:
        return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    except (OSError, SyntaxError, UnicodeDecodeError):
        raise TaskError(f"{path} cannot be read; add it, or take the task out of params.yaml.") from None
