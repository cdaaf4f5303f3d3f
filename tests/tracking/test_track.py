"""One MLflow run for each stage key, on real SQLite and a real server; a server that is down stops nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.support.repositories import branch, commit, git, make_repository, pawl
from tests.tracking.servers import Server, runs_in, tracking_of

CONFIG = "tracking: {experiment: loop}\n"
BRANCHES = "loop branches"


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
    assert len(runs_in(database, "once branches")) == 4
    [parent] = runs_in(database, "once branches", "parent")
    links = {tag.removeprefix("pawl.linked."): run for tag, run in parent.data.tags.items() if "pawl.linked." in tag}
    assert links.keys() == {"train", "evaluate"}
    assert set(links.values()) <= {run["run_id"] for run in first["runs"]}

    # By force the same result is a run of its own, and so it is under another name.
    assert pawl(clone, "run", "--no-pictures", "--force", "--all", env=env).returncode == 0
    forced = {run["stage_key"]: run for run in tracking_of(clone)["runs"] if run["side"] == "head"}
    assert {run["status"] for run in forced.values()} == {"created"}
    assert forced.keys() == linked.keys()
    assert not {run["run_id"] for run in forced.values()} & set(linked.values())
    write_config(clone, "tracking: {experiment: other}\n")
    assert pawl(clone, "run", "--no-pictures", "--all", env=env).returncode == 0
    assert {run["status"] for run in tracking_of(clone)["runs"]} == {"created"}


def write_config(root: Path, text: str) -> None:
    commit(root, "settings", {"pawl.yaml": text})


def test_a_run_holds_parameters_metrics_and_history(tmp_path: Path, database: str) -> None:
    import json

    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

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
    assert train.data.metrics["pawl.seconds"] > 0
    assert 0 <= train.data.metrics["system/system_memory_usage_percentage"] <= 100
    [parent] = runs_in(database, BRANCHES, "parent")
    assert {run.data.tags["mlflow.parentRunId"] for run in by_stage.values()} == {parent.info.run_id}
    assert parent.info.run_name == "faster"
    assert parent.data.tags["pawl.verdict"] == "not comparable"
    assert {run.info.status for run in (parent, *by_stage.values())} == {"FINISHED"}
    tags = train.data.tags
    assert (tags["mlflow.source.git.commit"], tags["pawl.diff"]) == (head, "clean")
    assert tags["pawl.code"] != by_stage["evaluate", "head"].data.tags["pawl.code"]
    assert tags["pawl.outputs"] != by_stage["train", "base"].data.tags["pawl.outputs"]
    [read] = evaluate.inputs.dataset_inputs
    locked = json.loads(Path(download_artifacts(run_id=evaluate.info.run_id, artifact_path="provenance.json",
        dst_path=str(tmp_path / "got"), tracking_uri=database)).read_text())  # fmt: skip
    [dep] = [dep for dep in locked["recorded"]["deps"] if dep["path"] == "model.txt"]
    assert (read.dataset.name, read.dataset.digest) == ("model.txt", dep["md5"])
    assert locked["packages"]["dvc"]
    assert {file.path for file in client.list_artifacts(evaluate.info.run_id)} == {
        "metrics",
        "plots",
        "provenance.json",
    }
    assert {file.path for file in client.list_artifacts(parent.info.run_id, "report")} == {
        "report/comparison.json", "report/report.html", "report/report.md",
    }  # fmt: skip
    assert not (root / "mlruns").exists()

    commit(root, "slower", {"params.yaml": "train:\n  rate: 1.5\n"})
    assert pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": database}).returncode == 0
    newer = {(r["stage"], r["side"]): client.get_run(r["run_id"]) for r in tracking_of(root)["runs"]}
    assert newer["train", "head"].data.tags["pawl.previous_run"] == train.info.run_id
    assert newer["train", "head"].data.tags["mlflow.parentRunId"] == parent.info.run_id


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


def test_a_real_server_is_used_and_linked_to(tmp_path: Path, server: Server) -> None:
    root = make_repository(tmp_path / "repository", config=CONFIG)
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    address = server.url.replace("http://", "http://somebody:s3cret@")
    done = pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": address})
    assert done.returncode == 0, done.stderr
    tracking = tracking_of(root)
    assert (tracking["status"], tracking["uri"]) == ("logged", server.url), tracking
    assert len(runs_in(server.url, BRANCHES)) == 4
    url = tracking["runs"][0]["url"]
    assert url.startswith(f"{server.url}/#/experiments/")
    assert tracking["runs"][0]["run_id"] in url
    assert url in (root / "reports" / "report.md").read_text()
    files = [path for folder in ("reports", ".pawl/spool") for path in (root / folder).rglob("*") if path.is_file()]
    written = "".join(path.read_text(errors="replace") for path in files) + done.stdout + done.stderr
    assert "s3cret" not in written


def test_a_server_that_is_down_changes_no_verdict_and_can_be_told_later(tmp_path: Path, database: str) -> None:
    root = make_repository(tmp_path / "repository", config="tracking: {experiment: later}\n")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    before = int(time.time() * 1_000)
    done = pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    after = int(time.time() * 1_000)
    assert done.returncode == 0, done.stderr
    assert "Better" not in done.stderr
    assert "could not be used" in done.stderr
    assert tracking_of(root)["status"] == "failed"
    assert "MLflow" in (root / "reports" / "report.md").read_text()
    # The report alone is enough to deliver it from anywhere, once, and with the times of the training.
    elsewhere = tmp_path / "elsewhere"
    git(tmp_path, "clone", "--quiet", str(root), str(elsewhere))
    for _ in range(2):
        done = pawl(
            elsewhere, "track", "--sync", str(root / "reports" / "spool"), env={"MLFLOW_TRACKING_URI": database}
        )
        assert done.returncode == 0, done.stderr
    runs = runs_in(database, "later branches")
    assert len(runs) == 4
    assert all(before <= run.info.start_time <= run.info.end_time <= after for run in runs)
    assert pawl(root, "track", env={"MLFLOW_TRACKING_URI": database}).returncode == 0
    assert len(runs_in(database, "later branches")) == 4
    assert {run["status"] for run in tracking_of(root)["runs"]} == {"created"}


def test_a_deleted_experiment_is_named(tmp_path: Path, database: str) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=database)
    client.delete_experiment(client.create_experiment("gone branches"))
    root = make_repository(tmp_path / "repository", config="tracking: {experiment: gone}\n")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    done = pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": database})
    assert done.returncode == 0
    assert 'the experiment "gone branches" is deleted there' in tracking_of(root)["reason"]


def test_tracking_can_be_off(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", config="tracking: {enabled: false}\n")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    assert pawl(root, "run", "--no-pictures").returncode == 0
    assert tracking_of(root)["status"] == "off"
    assert not (root / ".pawl" / "mlflow.db").exists()
    assert not (root / ".pawl" / "spool").exists()


def test_without_a_server_runs_are_kept_beside_the_repository(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repository", config=CONFIG)
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    assert pawl(root, "run", "--no-pictures").returncode == 0
    assert len(runs_in(f"sqlite:///{root}/.pawl/mlflow.db", BRANCHES)) == 4
