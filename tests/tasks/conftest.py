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
    """Where the stages of each configuration ran, and the files that each `stage task` imported."""

    paths: Mapping[str, TaskPaths]
    imported: Mapping[str, list[str]]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """All stages of all configurations, once a session: about 25 s, most of it imports of torch and TensorFlow."""
    folder = tmp_path_factory.mktemp("finished")
    paths: dict[str, TaskPaths] = {}
    jobs: list[tuple[str, str, Path]] = []
    for name, (task, changes) in CONFIGURATIONS.items():
        root = folder / name
        root.mkdir()
        shutil.copy(REPOSITORY / "params.yaml", root)
        change_params(root, {f"{task}.train.{key}": value for key, value in changes.items()})
        paths[name] = TaskPaths(root, task)
        jobs += [(stage, task, root) for stage in ("fetch", "prepare", "train", "evaluate")]
    return Finished(paths, run_stages(jobs))


@pytest.fixture(scope="session")
def trained_again(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, TaskPaths]:
    """The same, but in another folder, process, order of sets and order of stages; and two with another seed."""
    folder = tmp_path_factory.mktemp("again")
    paths: dict[str, TaskPaths] = {}
    seeds = {"torch": 2, "mlp": 2}
    for name, first in reversed(finished.paths.items()):
        for root, changes in (
            (folder / name, {}),
            (folder / f"{name} other seed", {f"{first.task}.train.seed": seeds.get(name)}),
        ):
            if None in changes.values():
                continue
            shutil.copytree(first.root / "data", root / "data")
            shutil.copy(first.root / "params.yaml", root)
            change_params(root, changes)
            paths[root.name] = TaskPaths(root, first.task)
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
