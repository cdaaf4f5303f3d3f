"""Running one stage of one task: check its parameters, then its module's `run`."""

from __future__ import annotations

import importlib
from pathlib import Path

from tasks.common.stage.errors import EXIT_INPUT, TaskError, nearest
from tasks.common.stage.params import PARAMS_FILE, read_params, read_tasks
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

STAGES = ("fetch", "prepare", "train", "evaluate")


def run_stage(stage: str, task: str, root: Path) -> None:
    """Run `stage` of `task` in the repository at `root`.

    The module `tasks.<task>.<stage>` has a class `Params` and a function `run(paths, params)`.
    Raises TaskError for what a user can cause.
    """
    if stage not in STAGES:
        raise TaskError(f'"{stage}" is no stage; {nearest(stage, STAGES)}')
    known = read_tasks(root)
    if task not in known:
        raise TaskError(f'"{task}" is no task in {root / PARAMS_FILE}; {nearest(task, known)}')
    name = f"tasks.{task}.{stage}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, f"tasks.{task}"):
            raise
        raise TaskError(
            f"src/tasks/{task}/{stage}.py does not exist; add it, or take the task out of {PARAMS_FILE}."
        ) from error
    module.run(TaskPaths(root, task), read_params(root, task, stage, module.Params))


def run_stage_command(arguments: list[str], root: Path) -> int:
    """What `python src/tasks/stage.py` does with its arguments.

    Returns the exit code, after one sentence for what a user can cause, or its traceback with a third `--debug`.
    """
    debug = arguments[2:] == ["--debug"]
    if len(arguments) != (3 if debug else 2):
        say("usage: python src/tasks/stage.py STAGE TASK, for example: python src/tasks/stage.py train digits")
        return EXIT_INPUT
    try:
        run_stage(arguments[0], arguments[1], root)
    except TaskError as error:
        if debug:
            raise
        say(f"error: {error}")
        return EXIT_INPUT
    except OSError as error:
        if debug:
            raise
        say(f"error: {error.filename or 'a file'}: {error.strerror or error}; free space or correct the permissions.")
        return EXIT_INPUT
    return 0
