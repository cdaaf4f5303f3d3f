"""The prepared table, and copies of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.common.stage.run import run_stage
from tests.tasks.checkouts import REPOSITORY, change_params
from tests.tasks.tune.studies import BAD_START, tune_block


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the prepared table, a bad start in params.yaml, and a space to search in."""
    root = tmp_path_factory.mktemp("tune")
    shutil.copy(REPOSITORY / "params.yaml", root)
    change_params(root, {"tasks": ["tabular"], "tabular.tune": tune_block(), **BAD_START})
    (root / "dvc.yaml").write_text("stages: {}\n")
    for stage in ("fetch", "prepare"):
        run_stage(stage, "tabular", root)
    return root


@pytest.fixture
def root(prepared: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(prepared, tmp_path / "root"))
