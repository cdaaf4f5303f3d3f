"""Prostate as params.yaml has it, tiny versions of it, and volumes that a test draws."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import REPOSITORY, change_params, run_stages
from tests.tasks.made_once import made_once

TINY = {
    "fetch.patients": 6,
    "prepare.pixel_mm": 1.5,
    "prepare.side_pixels": 32,
    "train.channels": [4, 4],
    "train.epochs": 2,
}


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> TaskPaths:
    """The builtin patients, prepared: about 6 s, because they are drawn."""
    from tasks.common.stage.run import run_stage

    def draw(root: Path) -> None:
        shutil.copy(REPOSITORY / "params.yaml", root)
        change_params(root, {"tasks": ["prostate"]})
        run_stage("fetch", "prostate", root)
        run_stage("prepare", "prostate", root)

    return TaskPaths(made_once(tmp_path_factory, "prostate-sample", draw), "prostate")


@pytest.fixture(scope="session")
def outlined(sample: TaskPaths, tmp_path_factory: pytest.TempPathFactory) -> TaskPaths:
    """The builtin patients with the parameters of the repository: about 70 s of one core, nearly all the training."""
    root = Path(shutil.copytree(sample.root, tmp_path_factory.mktemp("outlined") / "root"))
    run_stages([("train", "prostate", root), ("evaluate", "prostate", root)])
    return TaskPaths(root, "prostate")


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., TaskPaths]:
    """A function that makes a root in which a training takes seconds; its argument changes parameters further."""

    def make(changes: Mapping[str, Any] | None = None, name: str = "tiny") -> TaskPaths:
        root = tmp_path / name
        root.mkdir()
        shutil.copy(REPOSITORY / "params.yaml", root)
        own = {f"prostate.{key}": value for key, value in {**TINY, **(changes or {})}.items()}
        change_params(root, {"tasks": ["prostate"], **own})
        return TaskPaths(root, "prostate")

    return make
