"""`tasks overview`: parameters and metrics across commits, branches and tags as one table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tasks.common.stage.paths import find_root
from tasks.common.stage.progress import progress


def overview(
    rev: Annotated[list[str] | None, typer.Option("--rev", help="Start here; may be repeated.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Commits of each branch or revision.")] = 10,
    all_branches: Annotated[bool, typer.Option("--all-branches", help="Every branch.")] = False,
    all_tags: Annotated[bool, typer.Option("--all-tags", help="Every tag.")] = False,
    task: Annotated[list[str] | None, typer.Option("--task", help="This task only; may be repeated.")] = None,
    all_params: Annotated[bool, typer.Option("--all-params", help="Parameters that are equal everywhere too.")] = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Write Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Write CSV.")] = False,
) -> None:
    """Show parameters and metrics across commits, branches and tags as one table.

    The metrics of a commit are those that its dvc.lock names, from DVC's cache on this machine: nothing is trained and
    nothing is downloaded. Where dvc.lock has values of other parameters than params.yaml, the table says so.

    Example: tasks overview --all-branches -n 5 --task tabular
    """
    from tasks.overview.commits import WORKSPACE, list_commits
    from tasks.overview.rows import choose_tasks, read_rows
    from tasks.overview.table import make_overview, to_csv, to_json, to_markdown, to_rich

    if as_markdown + as_json + as_csv > 1:
        raise typer.BadParameter("choose one of --md, --json and --csv")
    root = find_root(Path.cwd())
    commits = [WORKSPACE, *list_commits(root, number, rev or [], all_branches=all_branches, all_tags=all_tags)]
    with progress("overview", len(commits), "commit") as advance:
        rows = list(read_rows(root, commits, advance))
    table = make_overview(choose_tasks(rows, task or []), all_params=all_params)
    if as_json:
        typer.echo(to_json(table), nl=False)
    elif as_csv:
        typer.echo(to_csv(table), nl=False)
    elif as_markdown or not sys.stdout.isatty():
        typer.echo(to_markdown(table), nl=False)
    else:
        from rich.console import Console

        Console().print(to_rich(table))
