"""Checkouts in which the stages really ran, each stage in its own process as DVC runs it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import CONFIGURATIONS, OTHER_SEED, REPOSITORY, STAGES, TASKS, change_params, run_stages
from tests.tasks.made_once import made_once

# These take less time together than the imports of each.
TOGETHER = ("logistic_regression", "svc", "mlp")


class Finished(Mapping[str, TaskPaths]):
    """Where the stages of each configuration ran; they run when a test first asks for the configuration."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._paths: dict[str, TaskPaths] = {}
        self._imported: dict[str, list[str]] = {}

    def __getitem__(self, name: str) -> TaskPaths:
        if name not in self._paths:
            names = TOGETHER if name in TOGETHER else (name,)
            folder = made_once(self._factory, f"finished-{names[0]}", lambda folder: _finish(folder, names))
            self._paths |= {each: TaskPaths(folder / each, CONFIGURATIONS[each][0]) for each in names}
            self._imported |= json.loads((folder / "imported.json").read_text())
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


def _finish(folder: Path, names: Sequence[str]) -> None:
    """Run the stages of these configurations in one process, and write down what each stage imported."""
    jobs = []
    for name in names:
        task, changes = CONFIGURATIONS[name]
        root = folder / name
        root.mkdir()
        shutil.copy(REPOSITORY / "params.yaml", root)
        change_params(root, {"tasks": list(TASKS)} | {f"{task}.{key}": value for key, value in changes.items()})
        jobs += [(stage, task, root) for stage in STAGES]
    (folder / "imported.json").write_text(json.dumps(run_stages(jobs)))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The stages of all configurations, each run once: 5 s to 15 s for the first test that asks for one."""
    return Finished(tmp_path_factory)


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
