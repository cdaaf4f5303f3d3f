"""Checkouts in which the stages really ran, each stage in its own process as DVC runs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import CONFIGURATIONS, OTHER_SEED, REPOSITORY, STAGES, TASKS, change_params, run_stages


class Finished(Mapping[str, TaskPaths]):
    """Where the stages of each configuration ran; they run when a test first asks for the configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[str, TaskPaths] = {}
        self._imported: dict[str, list[str]] = {}

    def __getitem__(self, name: str) -> TaskPaths:
        if name not in self._paths:
            task, changes = CONFIGURATIONS[name]
            root = self.folder / name
            root.mkdir()
            shutil.copy(REPOSITORY / "params.yaml", root)
            change_params(root, {"tasks": list(TASKS)} | {f"{task}.{key}": value for key, value in changes.items()})
            self._imported |= run_stages([(stage, task, root) for stage in STAGES])
            self._paths[name] = TaskPaths(root, task)
        return self._paths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(CONFIGURATIONS)

    def __len__(self) -> int:
        return len(CONFIGURATIONS)

    def of_task(self, task: str) -> TaskPaths:
        """The first configuration of the task."""
        return self[next(name for name, (of, _) in CONFIGURATIONS.items() if of == task)]

    def imported(self, stage: str, task: str) -> list[str]:
        """The files of `tasks` that the stage imported."""
        self.of_task(task)
        return self._imported[f"{stage} {task}"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The stages of all configurations, each run once a session: 5 s to 30 s for the first test that asks for one."""
    return Finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def trained_again(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TaskPaths]:
    """The same, but in another folder, process, order of sets and order of stages; and some with another seed."""
    folder = tmp_path_factory.mktemp("again")
    paths: dict[str, TaskPaths] = {}
    for name, first in reversed([*finished.items()]):
        seeds: dict[str, dict[str, Any]] = {name: {}}
        if name in OTHER_SEED:
            seeds[f"{name} other seed"] = {f"{first.task}.train.seed": 2}
        for folder_name, changes in seeds.items():
            root = folder / folder_name
            shutil.copytree(first.root / "data", root / "data")
            shutil.copy(first.root / "params.yaml", root)
            change_params(root, changes)
            paths[folder_name] = TaskPaths(root, first.task)
    run_stages([("train", at.task, at.root) for at in paths.values()], PYTHONHASHSEED="7")
    return paths


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., TaskPaths]:
    """A function that makes a root with the repository's params.yaml, changed, and the paths of a task in it."""

    def make(task: str, changes: Mapping[str, Any] | None = None) -> TaskPaths:
        shutil.copy(REPOSITORY / "params.yaml", tmp_path)
        change_params(tmp_path, changes or {})
        return TaskPaths(tmp_path, task)

    return make
