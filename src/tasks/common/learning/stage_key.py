"""The key of the running stage: the digest of its command, dependencies and parameters, as DVC's run-cache has it."""

from __future__ import annotations

import os
import re

from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import read_tasks
from tasks.common.stage.paths import TaskPaths

VARIABLE = "PAWL_STAGE_KEY"


def stage_key(paths: TaskPaths, stage: str) -> str | None:
    """64 hexadecimal digits: from the environment where the loop set it, otherwise from DVC itself.

    None where there is no DVC repository, the pipelines do not run the task, DVC cannot key the stage, or values were
    set by hand, which no key knows.
    Raises TaskError for a variable that is no key.
    """
    if paths.overridden:
        return None
    given = os.environ.get(VARIABLE)
    if given:
        if not re.fullmatch(r"[0-9a-f]{64}", given):
            raise TaskError(f"the environment variable {VARIABLE} is not 64 hexadecimal digits; unset it.")
        return given
    return _from_dvc(paths, f"{stage}@{paths.task}")


def _from_dvc(paths: TaskPaths, name: str) -> str | None:
    if not (paths.root / ".dvc").is_dir() or paths.task not in read_tasks(paths.root):
        return None
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage.cache import _can_hash, _get_stage_hash

    try:
        with Repo(str(paths.root)) as repo:
            stage = repo.stage.load_one(str(paths.root / "dvc.yaml"), name)
            stage.save_deps()
            return str(_get_stage_hash(stage)) if _can_hash(stage) else None
    except DvcException as error:
        raise TaskError(f"DVC cannot key the stage {name} ({error}); run the stages before it first.") from error
