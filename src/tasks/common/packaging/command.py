"""The command of the stage package: `python src/tasks/package.py TASK`, with the manners of every other stage's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.common.packaging.build import STAGE
from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.params import PARAMS_FILE, check_task, read_params
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say
from tasks.common.stage.run import EXIT_INTERRUPTED, stage_module


def run_package(task: str, root: Path, overrides: Sequence[str] = ()) -> None:
    """Package the model of `task` in the repository at `root`, with the values of KEY=VALUE words.

    The module `tasks.<task>.package.run` has a class `Params` and a function `run(paths, params)`. Raises TaskError for
    what a user can cause.
    """
    check_task(root, task)
    module = stage_module(STAGE, task)
    params = read_params(root, task, STAGE, module.Params, overrides)
    if overrides:
        say(f"{STAGE} {task}: not the run of {PARAMS_FILE}, but with {' '.join(overrides)}")
    module.run(TaskPaths(root, task, overridden=bool(overrides)), params)


def run_package_command(arguments: Sequence[str], root: Path) -> int:
    """What `python src/tasks/package.py` does with its arguments; the exit code, as that of every stage."""
    words = [word for word in arguments if word != "--debug"]
    if not words or any(word.startswith("-") for word in words):
        say("usage: python src/tasks/package.py TASK [KEY=VALUE ...], as: python src/tasks/package.py digits")
        return EXIT_INPUT
    try:
        run_package(words[0], root, words[1:])
    except (TaskError, OSError, KeyboardInterrupt) as error:
        if "--debug" in arguments:
            raise
        return _told(error, words[0])
    return 0


def _told(error: BaseException, task: str) -> int:
    """One sentence, and the exit code that goes with it."""
    if isinstance(error, KeyboardInterrupt):
        say(f"interrupted: {STAGE} {task}")
        return EXIT_INTERRUPTED
    if isinstance(error, OSError):
        say(f"error: {error.filename or 'a file'}: {error.strerror or error}; free space or correct the permissions.")
    else:
        say(f"error: {error}")
    return EXIT_INPUT
