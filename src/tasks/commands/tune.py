"""`tasks tune`: the best parameters of a task, by the validation split."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from tasks.common.stage.params import PARAMS_FILE, check_task
from tasks.common.stage.paths import find_root
from tasks.common.stage.progress import say

EXIT_INTERRUPTED = 130


def tune(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task with a block in params.yaml, such as digits.")],
    trials: Annotated[int, typer.Option("--trials", min=1, help="Trials that the study is to have in all.")] = 30,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0, help="Begin no batch of trials after this time.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Trials at once, each a process.")] = 1,
    executor: Annotated[
        Literal["inline", "local", "ray", "slurm"],
        typer.Option("--executor", help="Where trials run: here, or on a cluster."),
    ] = "local",
    write: Annotated[bool, typer.Option("--write", help="Set the best values in params.yaml.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the trials as JSON.")] = False,
) -> None:
    """Search for the parameters that are best on the validation split; the test split has no part in it.

    The block TASK.tune of params.yaml says where to search. The study is kept in .tune/TASK: the same command again
    goes on where it was ended, and costs nothing once it has its trials. params.yaml is changed with --write only.

    Example: tasks tune tabular --trials 30 --workers 2
    """
    from tasks.tune.results import to_json, to_markdown, write_results
    from tasks.tune.space import read_space
    from tasks.tune.study import best_of, list_trials, load_study, open_search, run_search
    from tasks.tune.write_params import write_values

    root = find_root(Path.cwd())
    check_task(root, task)
    stage = importlib.import_module(f"tasks.{task}.train.run")
    search = open_search(root, task, *read_space(root, task, stage.Params))
    interrupted = False
    try:
        finished = run_search(search, trials, seconds, workers, executor)
    except KeyboardInterrupt:
        interrupted, finished = True, list_trials(search, load_study(search))
        say(f"tune {task}: interrupted with {len(finished)} trials done; the same command goes on from there")
    written = write_results(search, finished)
    typer.echo(
        json.dumps(to_json(search, finished), indent=2) if as_json else to_markdown(search, finished), nl=as_json
    )
    say(f"tune {task}: {', '.join(path.relative_to(root).as_posix() for path in written)}")
    if interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    best = best_of(search, finished)
    if best and write:
        changed = write_values(root, {f"{task}.{key}": value for key, value in best.values.items()})
        say(f"tune {task}: {PARAMS_FILE}: {', '.join(changed) + ' set' if changed else 'has the best values already'}")
