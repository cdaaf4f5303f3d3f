"""Checkouts in which the stages really ran, each stage in its own process as DVC runs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import CONFIGURATIONS, REPOSITORY, change_params, run_stages


@dataclass(frozen=True)
class Finished:
    """Where the stages of each configuration ran, and what they imported."""

    paths: Mapping[str, TaskPaths]
    imported: Mapping[tuple[str, str], list[str]]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """All stages of all five configurations, once a session: about 40 s, most of it imports of torch and TensorFlow."""
    folder = tmp_path_factory.mktemp("finished")
    paths: dict[str, TaskPaths] = {}
    imported: dict[tuple[str, str], list[str]] = {}
    first_of_task: dict[str, Path] = {}
    for name, (task, changes) in CONFIGURATIONS.items():
        root = folder / name
        root.mkdir()
        shutil.copy(REPOSITORY / "params.yaml", root)
        change_params(root, {f"{task}.train.{key}": value for key, value in changes.items()})
        paths[name] = TaskPaths(root, task)
        if task in first_of_task:
            shutil.copytree(first_of_task[task] / "data", root / "data")
            continue
        first_of_task[task] = root
        for stage in ("fetch", "prepare", "train", "evaluate"):
            imported[stage, task] = run_stages([(stage, task, root)])[stage]
    others = [name for name, at in paths.items() if at.root not in first_of_task.values()]
    run_stages([(stage, paths[n].task, paths[n].root) for n in others for stage in ("train", "evaluate")])
    return Finished(paths, imported)


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., TaskPaths]:
    """A function that makes a root with the repository's params.yaml, changed, and the paths of a task in it."""

    def make(task: str, changes: Mapping[str, Any] | None = None) -> TaskPaths:
        shutil.copy(REPOSITORY / "params.yaml", tmp_path)
        change_params(tmp_path, changes or {})
        return TaskPaths(tmp_path, task)

    return make
