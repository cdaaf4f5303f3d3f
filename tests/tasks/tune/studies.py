"""Searches on the table, and the commands that start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.tabular.train.run import Params
from tasks.tune.space import (
    read_space,
)
from tasks.tune.study import Search, Trial, open_search
from tests.tasks.checkouts import REPOSITORY, change_params

SPACE = {
    "train.C": {"low": 0.0001, "high": 10.0, "log": True},
    "train.select_columns": {"low": 2, "high": 40},
    "train.model": {"choices": ["logistic_regression", "svc"]},
}
BAD_START = {"tabular.train.C": 0.0002, "tabular.train.select_columns": 2}


def tune_block(space: dict[str, Any] | None = None, metric: str = "val/loss") -> dict[str, Any]:
    return {"metric": metric, "direction": "minimize", "space": space or SPACE}


def search_in(root: Path, **changes: Any) -> Search:
    change_params(root, {f"tabular.{key}": value for key, value in changes.items()})
    return open_search(root, "tabular", *read_space(root, "tabular", Params))


def files_in(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".tune" not in path.parts
    }


def tasks(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "tasks", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


_TRIALS = """
import json, sys
from pathlib import Path
from tasks.common.learning.jobs import Job, run_jobs
from tasks.tabular.train.run import Params
from tasks.tune.space import read_space, with_values
root, executor, asked = Path.cwd(), sys.argv[1], json.loads(sys.argv[2])
tune, block = read_space(root, "tabular", Params)
jobs = [
    Job(str(number), "tasks.tune.trial:run", {"task": "tabular", "params": params, "metric": tune.metric})
    for number, params in enumerate(with_values(block, values) for values in asked)
]
run_jobs(jobs, root / ".tune" / executor, root=root, executor=executor, workers=2, label="tune tabular")
"""


def trained_on(
    root: Path, executor: str, values: list[dict[str, Any]], environment: Mapping[str, str]
) -> dict[str, bytes]:
    """What trials with such values measured, two at once on the executor: the bytes of each one's result."""
    subprocess.run(
        [sys.executable, "-c", _TRIALS, executor, json.dumps(values)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src"), **environment},
        check=True,
    )
    return {path.parts[-3]: path.read_bytes() for path in root.glob(f".tune/{executor}/*/out/result.json")}


def numbers(trials: list[Trial]) -> list[int]:
    return [trial.number for trial in trials]
