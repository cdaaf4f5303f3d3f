"""Running one stage of one task: check its parameters, then its module's `run`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.common.stage.errors import EXIT_INPUT, TaskError, nearest
from tasks.common.stage.params import PARAMS_FILE, check_task, read_params
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

STAGES = ("fetch", "prepare", "train", "evaluate", "plot")
_COMMON_STAGES = {"plot": "tasks.common.plotting.run"}


EXIT_INTERRUPTED = 130


def run_stage(stage: str, task: str, root: Path, overrides: Sequence[str] = ()) -> None:
    """Run `stage` of `task` in the repository at `root`, with the values of KEY=VALUE words, see apply_overrides.

    The module `tasks.<task>.<stage>.run` has a class `Params` and a function `run(paths, params)`; the stages that are
    the same for every task have no parameters. Raises TaskError for what a user can cause.
    """
    if stage not in STAGES:
        raise TaskError(f'"{stage}" is no stage; {nearest(stage, STAGES)}')
    check_task(root, task)
    if stage in _COMMON_STAGES:
        if overrides:
            raise TaskError(f'"{overrides[0]}": the stage {stage} has no parameters; leave it out.')
        importlib.import_module(_COMMON_STAGES[stage]).run(TaskPaths(root, task))
        return
    module = stage_module(stage, task)
    params = read_params(root, task, stage, module.Params, overrides)
    if overrides:
        say(f"{stage} {task}: not the run of {PARAMS_FILE}, but with {' '.join(overrides)}")
    module.run(TaskPaths(root, task, overridden=bool(overrides)), params)


def stage_module(stage: str, task: str) -> Any:
    """The module `tasks.<task>.<stage>.run`. Raises TaskError where there is none."""
    name = f"tasks.{task}.{stage}.run"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, f"tasks.{task}.{stage}", f"tasks.{task}"):
            raise
        raise TaskError(
            f"src/tasks/{task}/{stage}/run.py does not exist; add it, or take the task out of {PARAMS_FILE}."
        ) from error


def run_stage_command(arguments: list[str], root: Path) -> int:
    """What `python src/tasks/stage.py` does with its arguments.

    Returns the exit code, after one sentence for what a user can cause, or its traceback with a last `--debug`.
    """
    debug = arguments[-1:] == ["--debug"]
    words = arguments[:-1] if debug else arguments
    if len(words) < 2 or any(word.startswith("-") for word in words):
        say("usage: python src/tasks/stage.py STAGE TASK [KEY=VALUE ...], as: python src/tasks/stage.py train digits")
        return EXIT_INPUT
    try:
        run_stage(words[0], words[1], root, words[2:])
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
    except KeyboardInterrupt:
        if debug:
            raise
        say(f"interrupted: {words[0]} {words[1]}")
        return EXIT_INTERRUPTED
    return 0
