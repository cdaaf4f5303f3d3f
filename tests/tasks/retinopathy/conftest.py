"""Retinopathy as params.yaml has it, and tiny versions of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import REPOSITORY, change_params, run_stages
from tests.tasks.made_once import made_once

TINY = {
    "fetch.images": 120,
    "fetch.image_height": 40,
    "prepare.image_size": 32,
    "train.widths.small_cnn": [4, 8],
    "train.epochs": 2,
    "train.data.num_workers": 0,
}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> TaskPaths:
    """The whole sample, as the stage fetch draws it with the parameters of the repository: about 5 s."""

    def draw(root: Path) -> None:
        shutil.copy(REPOSITORY / "params.yaml", root)
        change_params(root, {"tasks": ["retinopathy"]})
        run_stages([("fetch", "retinopathy", root)])

    return TaskPaths(made_once(tmp_path_factory, "retinopathy-drawn", draw), "retinopathy")


@pytest.fixture(scope="session")
def graded(drawn: TaskPaths, tmp_path_factory: pytest.TempPathFactory) -> TaskPaths:
    """The whole sample with the parameters of the repository: about 70 s of one core, nearly all of it the training."""
    root = Path(shutil.copytree(drawn.root, tmp_path_factory.mktemp("graded") / "root"))
    run_stages([(stage, "retinopathy", root) for stage in ("prepare", "train", "evaluate")])
    return TaskPaths(root, "retinopathy")


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., TaskPaths]:
    """A function that makes a root in which a training takes a second; its arguments change parameters further."""

    def make(changes: dict[str, Any] | None = None, root: Path = tmp_path) -> TaskPaths:
        root.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "params.yaml", root)
        own = {f"retinopathy.{key}": value for key, value in (TINY | (changes or {})).items()}
        change_params(root, {"tasks": ["retinopathy"], **own})
        return TaskPaths(root, "retinopathy")

    return make
