"""One MLflow run for each stage key, on real SQLite and a real server; a server that is down stops nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.repositories import branch, commit, git, make_repository, pawl

CONFIG = "tracking: {experiment: loop}\n"


def runs_in(uri: str, experiment: str = "loop") -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id])) if found else []


def tracking_of(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "reports" / "tracking.json").read_text())
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(address, process, folder / "log")
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_a_result_is_logged_once_wherever_it_is_restored(tmp_path: Path, database: str) -> None:
    storage = tmp_path / "storage"
    root = make_repository(tmp_path / "repository", config="tracking: {experiment: once}\n")
    remote = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {storage}\n"
    commit(root, "a remote", {".dvc/config": remote})
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    env = {"MLFLOW_TRACKING_URI": database}
    assert pawl(root, "run", "--no-pictures", env=env).returncode == 0
    first = tracking_of(root)
    assert [run["status"] for run in first["runs"]] == ["created"] * 4

    subprocess.run([sys.executable, "-m", "dvc", "push", "--run-cache", "-q"], cwd=root, check=True)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--branch=faster", str(root), str(clone))
    done = pawl(clone, "run", "--no-pictures", env=env)
    again = tracking_of(clone)
    linked = {run["stage_key"]: run["run_id"] for run in again["runs"] if run["side"] == "head"}
    assert linked == {run["stage_key"]: run["run_id"] for run in first["runs"] if run["side"] == "head"}, done.stderr
    assert {run["status"] for run in again["runs"]} == {"linked"}
    assert len(runs_in(database, "once")) == 4


def test_a_run_holds_parameters_metrics_and_history(tmp_path: Path, database: str) -> None:
    from mlflow import MlflowClient

    root = make_repository(tmp_path / "repository", config=CONFIG)
    head = branch(root, "faster", {"params.yaml": "train:\n  rate: 2.5\n"})
    assert pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": database}).returncode == 0
    client = MlflowClient(tracking_uri=database)
    by_stage = {(r["stage"], r["side"]): client.get_run(r["run_id"]) for r in tracking_of(root)["runs"]}
    train, evaluate = by_stage["train", "head"], by_stage["evaluate", "head"]
    assert train.data.params == {"train.rate": "2.5"}
    assert [round(m.value, 4) for m in client.get_metric_history(train.info.run_id, "loss")] == [
        1,
        0.2857,
        0.1667,
        0.1176,
        0.0909,
    ]
    assert evaluate.data.metrics["accuracy"] == 0.75
    assert train.data.tags["mlflow.source.git.commit"] == head
    assert train.info.status == "FINISHED"
    assert train.data.metrics["pawl.seconds"] > 0


def test_a_run_that_broke_off_is_not_linked(tmp_path: Path, database: str) -> None:
    from mlflow import MlflowClient

    root = make_repository(tmp_path / "repository", config="tracking: {experiment: broken}\n")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 3.5\n"})
    env = {"MLFLOW_TRACKING_URI": database}
    assert pawl(root, "run", "--no-pictures", env=env).returncode == 0
    client = MlflowClient(tracking_uri=database)
    victim = tracking_of(root)["runs"][0]
    client.set_terminated(victim["run_id"], status="FAILED")
    assert pawl(root, "run", "--no-pictures", env=env).returncode == 0
    after = next(run for run in tracking_of(root)["runs"] if run["stage_key"] == victim["stage_key"])
    assert (after["status"], after["run_id"] == victim["run_id"]) == ("created", False)


def test_a_real_server_is_used_and_linked_to(tmp_path: Path, server: str) -> None:
    root = make_repository(tmp_path / "repository", config=CONFIG)
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    address = server.replace("http://", "http://somebody:s3cret@")
    done = pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": address})
    assert done.returncode == 0, done.stderr
    tracking = tracking_of(root)
    assert (tracking["status"], tracking["uri"]) == ("logged", server)
    assert len(runs_in(server)) == 4
    url = tracking["runs"][0]["url"]
    assert url.startswith(f"{server}/#/experiments/")
    assert url.endswith(tracking["runs"][0]["run_id"])
    assert url in (root / "reports" / "report.md").read_text()
    written = "".join(path.read_text() for path in (root / "reports").glob("*.*")) + done.stdout + done.stderr
    assert "s3cret" not in written


def test_a_server_that_is_down_changes_no_verdict_and_can_be_told_later(tmp_path: Path, database: str) -> None:
    root = make_repository(tmp_path / "repository", config="tracking: {experiment: later}\n")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    done = pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert done.returncode == 0, done.stderr
    assert "Better" not in done.stderr
    assert "could not be used" in done.stderr
    assert tracking_of(root)["status"] == "failed"
    assert "MLflow" in (root / "reports" / "report.md").read_text()
    assert pawl(root, "track", env={"MLFLOW_TRACKING_URI": database}).returncode == 0
    assert len(runs_in(database, "later")) == 4


def test_tracking_can_be_off(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", config="tracking: {enabled: false}\n")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    assert pawl(root, "run", "--no-pictures").returncode == 0
    assert tracking_of(root)["status"] == "off"
    assert not (root / ".pawl" / "mlflow.db").exists()


def test_without_a_server_runs_are_kept_beside_the_repository(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", config=CONFIG)
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    assert pawl(root, "run", "--no-pictures").returncode == 0
    assert len(runs_in(f"sqlite:///{root}/.pawl/mlflow.db")) == 4
