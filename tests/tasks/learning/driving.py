"""Trainings of `points` in processes of their own, as many as a training says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.tasks.checkouts import REPOSITORY


def make_checkout(root: Path) -> Path:
    """A source folder that has `tasks.points` too."""
    shutil.copytree(REPOSITORY / "src/tasks", root / "src/tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parent / "points.py", root / "src/tasks")
    return root / "src"


def start(source: Path, folder: Path, framework: str, **arguments: Any) -> subprocess.Popen[bytes]:
    """A process that trains in `folder`, its lines in log.txt there."""
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "tasks.points", json.dumps({"framework": framework, **arguments})]
    environment = os.environ | {"PYTHONPATH": str(source), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (folder / "log.txt").open("w") as log:
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log)


def train(source: Path, folder: Path, framework: str, **arguments: Any) -> Path:
    """Train to the end."""
    code = start(source, folder, framework, **arguments).wait(300)
    assert code == 0, (folder / "log.txt").read_text()
    return folder


def fail(source: Path, folder: Path, framework: str, **arguments: Any) -> tuple[int, str]:
    """Train to an error: exit code and what was said."""
    code = start(source, folder, framework, **arguments).wait(300)
    return code, (folder / "log.txt").read_text()


def results(folder: Path) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    with np.load(folder / "weights.npz") as file:
        return dict(file), json.loads((folder / "history.json").read_text())


def assert_close(one: Path, other: Path, tolerance: float) -> None:
    """Weights, logits and history, up to a tolerance relative to 1 or the value, whichever is larger."""
    (weights, history), (other_weights, other_history) = results(one), results(other)
    assert weights.keys() == other_weights.keys()
    for name, array in weights.items():
        np.testing.assert_allclose(array, other_weights[name], rtol=tolerance, atol=tolerance, err_msg=name)
    assert len(history) == len(other_history)
    for metrics, others in zip(history, other_history, strict=True):
        assert metrics.keys() == others.keys()
        np.testing.assert_allclose(list(metrics.values()), list(others.values()), rtol=tolerance)


def assert_equal(one: Path, other: Path) -> None:
    (weights, history), (other_weights, other_history) = results(one), results(other)
    for name, array in weights.items():
        np.testing.assert_array_equal(array, other_weights[name], err_msg=name)
    assert history == other_history


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids_of(folder: Path, count: int) -> list[int]:
    """The processes of the ranks, once all have begun."""
    files = [folder / f"pid-{number}" for number in range(count)]
    wait_until(lambda: all(file.exists() and file.read_text() for file in files), 120)
    return [int(file.read_text()) for file in files]
