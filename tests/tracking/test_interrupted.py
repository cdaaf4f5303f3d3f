"""A training that is stopped, killed or fails leaves no run that runs for ever; done again, it goes on in its run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.repositories import branch, make_repository, pawl
from tests.tracking.servers import runs_in, tracking_of

# Trains slowly while it is told to, in two folds, and goes on from where it was.
TRAIN = """
import os, pathlib, time
rate = 2.0
wait = pathlib.Path(os.environ["WAIT_FOR"])
begun = pathlib.Path(os.environ["BEGUN"])
folders = [pathlib.Path("history", f"fold_{fold}") for fold in (0, 1)]
for folder in folders:
    folder.mkdir(parents=True)
    with open(folder / "loss.tsv", "w") as out:
        out.write("step\\tloss\\n")
for step in range(5):
    for fold, folder in enumerate(folders):
        with open(folder / "loss.tsv", "a") as out:
            out.write(f"{step}\\t{1 / (1 + step + fold)}\\n")
    if step == 2:
        begun.write_text("now")
        while not wait.exists():
            time.sleep(0.05)
        if wait.read_text() == "fail":
            raise SystemExit(7)
pathlib.Path("model.txt").write_text("2.0")
"""
PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py, data.txt]
    params: [train.rate]
    outs: [model.txt]
    plots:
      - history: {x: step}
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, model.txt]
    metrics:
      - metrics.json
    plots:
      - confusion.csv: {template: confusion, x: actual, y: predicted}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    config = f"tracking: {{experiment: {tmp_path.name}}}\n"
    root = make_repository(tmp_path / "repository", {"train.py": TRAIN, "dvc.yaml": PIPELINE}, config=config)
    branch(root, "work", {"README.md": "work\n"})
    return root


@pytest.fixture
def training(root: Path, database: str) -> Iterator[Training]:
    training = Training(root, database)
    yield training
    training.end()


class Training:
    """`pawl run` in its own group, as far as the middle of the training."""

    def __init__(self, root: Path, uri: str) -> None:
        self.root = root
        self.wait_for, begun = root / ".git" / "go", root / ".git" / "begun"
        begun.unlink(missing_ok=True)
        self.wait_for.unlink(missing_ok=True)
        self.env = {"MLFLOW_TRACKING_URI": uri, "WAIT_FOR": str(self.wait_for), "BEGUN": str(begun)}
        source = str(Path(__file__).parents[2] / "src")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pawl", "run", "--all", "--no-pictures"], cwd=root, start_new_session=True,
            env={**os.environ, **self.env, "PYTHONPATH": source}, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            until(begun.exists)
        except AssertionError:
            self.end()
            raise

    def end(self) -> None:
        """Leave nothing behind."""
        self.wait_for.write_text("go")
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def again(self, word: str = "go") -> None:
        """`pawl run` once more, to the end."""
        self.wait_for.write_text(word)
        done = pawl(self.root, "run", "--all", "--no-pictures", env=self.env)
        assert done.returncode == (3 if word == "fail" else 0), done.stderr


def until(holds: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come to that"
        time.sleep(0.1)


def statuses(uri: str, root: Path) -> dict[str, list[str]]:
    """Status of each run, by its kind."""
    experiment = f"{root.parent.name} branches"
    return {kind: [run.info.status for run in runs_in(uri, experiment, kind)] for kind in ("parent", "stage", "part")}


def check_complete(root: Path, uri: str, first: str) -> None:
    """The run that broke off is the one that is complete now, with every point of each fold once."""
    from mlflow import MlflowClient

    assert statuses(uri, root) == {"parent": ["FINISHED"], "stage": ["FINISHED"] * 2, "part": ["FINISHED"] * 2}
    [train] = [run for run in tracking_of(root)["runs"] if run["stage"] == "train"]
    assert train["run_id"] == first
    client = MlflowClient(tracking_uri=uri)
    for fold, run in enumerate(runs_in(uri, f"{root.parent.name} branches", "part")):
        assert (run.info.run_name, run.data.tags["mlflow.parentRunId"]) == (f"fold_{fold}", first)
        history = client.get_metric_history(run.info.run_id, "loss")
        assert sorted((m.step, m.value) for m in history) == [(step, 1 / (1 + step + fold)) for step in range(5)]


def test_live_then_killed_outright_then_done_again(training: Training, root: Path, database: str) -> None:
    experiment = f"{root.parent.name} branches"
    until(lambda: [run.data.metrics.get("loss") for run in runs_in(database, experiment, "part")] == [1 / 3, 1 / 4])
    assert statuses(database, root) == {"parent": ["RUNNING"], "stage": ["RUNNING"], "part": ["RUNNING"] * 2}
    [first] = runs_in(database, experiment)
    os.kill(training.process.pid, signal.SIGKILL)
    training.process.wait()
    training.wait_for.write_text("go")  # the stage itself was not killed
    until(lambda: statuses(database, root) == {"parent": ["KILLED"], "stage": ["KILLED"], "part": ["KILLED"] * 2})
    training.again()
    check_complete(root, database, first.info.run_id)


def test_interrupted_then_done_again(training: Training, root: Path, database: str) -> None:
    os.kill(training.process.pid, signal.SIGINT)
    assert training.process.wait() == 130
    until(lambda: statuses(database, root)["stage"] == ["KILLED"])
    until(lambda: statuses(database, root)["parent"] == ["KILLED"])
    [first] = runs_in(database, f"{root.parent.name} branches")
    training.again()
    check_complete(root, database, first.info.run_id)


def test_failed(training: Training, root: Path, database: str) -> None:
    training.wait_for.write_text("fail")
    assert training.process.wait() == 3
    assert statuses(database, root) == {"parent": ["FAILED"], "stage": ["FAILED"], "part": ["FAILED"] * 2}
