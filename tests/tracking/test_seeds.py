"""Trainings of one commit with several seeds: a run for each stage, one below it for each seed, and none twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.dag import wait_for
from tests.support.repositories import branch, commit, git, make_repository, pawl
from tests.tracking.servers import runs_in, tracking_of

TRAIN = """
import os, pathlib, time, yaml
seed = yaml.safe_load(open("params.yaml"))["train"]["seed"]
folder = pathlib.Path("history", "fold_0")
folder.mkdir(parents=True)
(folder / "loss.tsv").write_text("step\\tloss\\n" + "".join(f"{step}\\t{seed * step}\\n" for step in range(3)))
if os.environ.get("HANG") == str(seed):
    pathlib.Path(os.environ["HANGS"]).write_text("now")
    time.sleep(600)
if os.environ.get("FAIL") == str(seed):
    raise SystemExit(7)
pathlib.Path("model.txt").write_text(str(seed))
"""
EVALUATE = """
import json, pathlib
seed = int(pathlib.Path("model.txt").read_text())
json.dump({"accuracy": 1 / seed}, open("metrics.json", "w"))
"""
PIPELINE = """
stages:
  split:
    cmd: python -c "open('test.txt', 'w').write('a')"
    deps: [data.txt]
    outs: [test.txt]
  train:
    cmd: python train.py
    deps: [train.py, test.txt]
    params: [train]
    outs: [model.txt]
    plots:
      - history: {x: step}
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, model.txt]
    metrics: [metrics.json]
"""
FILES = {
    "train.py": TRAIN, "evaluate.py": EVALUATE, "dvc.yaml": PIPELINE, "params.yaml": "train: {seed: 1, rate: 2}\n",
}  # fmt: skip
ALLOW = "stage_environment: [HANG, HANGS, FAIL]\n"


def make(tmp_path: Path, name: str, more: str = "") -> tuple[Path, str]:
    """A repository, and the name of its experiment."""
    config = f"{ALLOW}tracking: {{experiment: {name}{more}}}\n"
    return make_repository(tmp_path / "repository", FILES, config=config), f"{name} branches"


def below(runs: list[Any], run: Any) -> dict[str, Any]:
    """By their names, the runs that have that one for a parent."""
    return {r.info.run_name: r for r in runs if r.data.tags["mlflow.parentRunId"] == run.info.run_id}


def of_side(uri: str, experiment: str, side: str) -> list[Any]:
    """The runs of stages that say so."""
    return [run for run in runs_in(uri, experiment) if run.data.tags["pawl.side"] == side]


def seeds_of(uri: str, experiment: str, stage: str) -> dict[str, Any]:
    """The runs of a stage's seeds."""
    [group] = [run for run in of_side(uri, experiment, "seeds") if run.data.tags["pawl.stage"] == stage]
    return below(runs_in(uri, experiment, "part"), group)


def test_a_stage_has_a_run_and_each_of_its_seeds_one_below_it(tmp_path: Path, database: str) -> None:
    from mlflow import MlflowClient
    from mlflow.artifacts import load_dict

    client = MlflowClient(tracking_uri=database)
    root, experiment = make(tmp_path, "seeds")
    env = {"MLFLOW_TRACKING_URI": database}
    done = pawl(root, "noise", "--seeds", "2", env=env)
    assert done.returncode == 0, done.stderr
    assert "tracking: 6 runs of seeds created and 0 linked" in done.stderr

    [parent] = runs_in(database, experiment, "parent")
    head = git(root, "rev-parse", "HEAD")
    assert (parent.info.run_name, parent.info.status) == ("main", "FINISHED")
    stages = below(runs_in(database, experiment), parent)
    assert stages.keys() == {f"{stage} {head[:10]} with other seeds" for stage in ("train", "evaluate")}
    assert {run.info.status for run in stages.values()} == {"FINISHED"}
    assert {run.data.tags["mlflow.source.git.commit"] for run in stages.values()} == {head}
    [evaluate] = [run for run in stages.values() if run.data.tags["pawl.stage"] == "evaluate"]
    assert evaluate.data.metrics["accuracy/mean"] == pytest.approx((1 + 1 / 1001 + 1 / 1002) / 3)
    assert evaluate.data.metrics["accuracy/standard_deviation"] > 0

    values = {"own seeds": 1, "seed 1": 1001, "seed 2": 1002}
    evaluated, trained = seeds_of(database, experiment, "evaluate"), seeds_of(database, experiment, "train")
    assert evaluated.keys() == trained.keys() == values.keys()
    for title, seed in values.items():
        assert trained[title].data.params == {"train.seed": str(seed), "train.rate": "2"}
        assert evaluated[title].data.params == {"train.seed": str(seed)}
        assert evaluated[title].data.metrics["accuracy"] == 1 / seed
        assert trained[title].data.metrics["pawl.seconds"] > 0
        run = trained[title]
        assert {run.info.status, evaluated[title].info.status} == {"FINISHED"}
        assert run.data.tags["pawl.stage"] == "train"
        assert run.data.tags["pawl.stage_key"] == run.data.tags["pawl.begun"]
        folds = below(runs_in(database, experiment, "part"), run)
        assert folds.keys() == {"fold_0"}
        history = client.get_metric_history(folds["fold_0"].info.run_id, "loss")
        assert sorted((m.step, m.value) for m in history) == [(step, seed * step) for step in range(3)]
        record = load_dict(f"{run.info.artifact_uri}/provenance.json")
        assert (record["stage"], record["commit"]) == ("train", head)

    # Measured again there is nothing new, and one seed more is one run more, below the same.
    again = pawl(root, "noise", "--seeds", "3", env=env)
    assert "tracking: 2 runs of seeds created and 3 linked" in again.stderr  # trainings that stay where they are: none
    more = seeds_of(database, experiment, "train")
    assert more.keys() == {*values, "seed 3"}
    assert {title: more[title].info.run_id for title in values} == {t: run.info.run_id for t, run in trained.items()}
    [evaluate] = [r for r in runs_in(database, experiment) if r.data.tags["pawl.stage"] == "evaluate"]
    assert evaluate.data.tags["pawl.linked.seed 1"] == evaluated["seed 1"].info.run_id
    spread = client.get_metric_history(evaluate.info.run_id, "accuracy/mean")
    assert [point.step for point in spread] == [3, 4]
    assert {run.info.status for kind in ("parent", "stage", "part") for run in runs_in(database, experiment, kind)} == {
        "FINISHED"
    }

    # Whoever happens to train with such a seed restores the result, and is told which run made it.
    branch(root, "lucky", {"params.yaml": "train: {seed: 1001, rate: 2}\n"})
    assert pawl(root, "run", "--no-pictures", env=env).returncode == 0
    linked = {run["stage"]: run for run in tracking_of(root)["runs"] if run["side"] == "head"}
    assert {run["status"] for run in linked.values()} == {"linked"}
    assert linked["train"]["run_id"] == trained["seed 1"].info.run_id


def test_own_seeds_that_are_known_are_linked(tmp_path: Path, database: str) -> None:
    root, experiment = make(tmp_path, "own")
    env = {"MLFLOW_TRACKING_URI": database}
    branch(root, "work", {"params.yaml": "train: {seed: 1, rate: 3}\n"})
    assert pawl(root, "run", "--no-pictures", env=env).returncode == 0
    [known] = [run["run_id"] for run in tracking_of(root)["runs"] if run["stage"] == "evaluate"]  # of both sides
    done = pawl(root, "noise", "--seeds", "1", env=env)
    assert "tracking: 2 runs of seeds created and 1 linked" in done.stderr, done.stderr
    for stage in ("train", "evaluate"):
        assert seeds_of(database, experiment, stage).keys() == {"seed 1"}
    [group] = [run for run in of_side(database, experiment, "seeds") if run.data.tags["pawl.stage"] == "evaluate"]
    assert group.data.tags["pawl.linked.own seeds"] == known
    # A run of a side has the same side's before it, never a seed's.
    commit(root, "more", {"params.yaml": "train: {seed: 1, rate: 4}\n"})
    before = {run["run_id"] for run in tracking_of(root)["runs"]}
    assert pawl(root, "run", "--no-pictures", env=env).returncode == 0
    [newest] = [run for run in of_side(database, experiment, "head") if run.info.run_id not in before]
    assert newest.data.tags["pawl.previous_run"] in before


@pytest.mark.parametrize("live", [True, False], ids=["live", "at the end"])
def test_a_seed_that_fails_is_there_and_complete_is_the_rest(tmp_path: Path, database: str, live: bool) -> None:
    name = "fails" if live else "late"
    root, experiment = make(tmp_path, name, "" if live else ", live: false")
    done = pawl(root, "noise", "--seeds", "2", env={"MLFLOW_TRACKING_URI": database, "FAIL": "1001"})
    assert done.returncode == 0, done.stderr
    trained = seeds_of(database, experiment, "train")
    statuses = {title: run.info.status for title, run in trained.items()}
    assert statuses == {"own seeds": "FINISHED", "seed 2": "FINISHED"} | ({"seed 1": "FAILED"} if live else {})
    assert {title for title, run in trained.items() if "pawl.stage_key" in run.data.tags} == {"own seeds", "seed 2"}
    assert seeds_of(database, experiment, "evaluate").keys() == {"own seeds", "seed 2"}
    parts = runs_in(database, experiment, "part")
    folds = [fold for run in trained.values() if run.info.status == "FINISHED" for fold in below(parts, run).values()]
    assert {fold.data.metrics["loss"] for fold in folds} == {2.0, 2004.0}
    assert all("pawl.stage_key" in fold.data.tags for fold in folds)


def test_interrupted_it_is_killed_and_goes_on_in_the_same_runs(tmp_path: Path, database: str) -> None:
    root, experiment = make(tmp_path, "stopped")
    hangs = tmp_path / "hangs"
    env = {"MLFLOW_TRACKING_URI": database}
    own = {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "HANG": "1001", "HANGS": str(hangs)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pawl", "noise", "--seeds", "1", "--jobs", "1"],
        cwd=root, start_new_session=True, stderr=subprocess.PIPE, text=True, env={**os.environ, **env, **own},
    )  # fmt: skip
    try:
        wait_for(hangs.exists)
        wait_for(lambda: any(r.info.run_name == "seed 1" for r in runs_in(database, experiment, "part")), seconds=60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    kinds = ("parent", "stage", "part")

    def statuses() -> set[str]:
        return {run.info.status for kind in kinds for run in runs_in(database, experiment, kind)}

    wait_for(lambda: "RUNNING" not in statuses(), seconds=60)
    first = seeds_of(database, experiment, "train")
    assert (first["own seeds"].info.status, first["seed 1"].info.status) == ("FINISHED", "KILLED")
    [parent] = runs_in(database, experiment, "parent")
    assert parent.info.status == "KILLED"
    assert pawl(root, "noise", "--seeds", "1", env=env).returncode == 0
    after = seeds_of(database, experiment, "train")
    assert {title: run.info.run_id for title, run in after.items()} == {t: run.info.run_id for t, run in first.items()}
    assert statuses() == {"FINISHED"}


def test_a_server_that_is_down_can_be_told_later(tmp_path: Path, database: str) -> None:
    root, experiment = make(tmp_path, "later")
    done = pawl(root, "noise", "--seeds", "1", env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert done.returncode == 0, done.stderr
    assert "could not be used" in done.stderr
    assert json.loads((root / "noise.json").read_text())["metrics"]
    for _ in range(2):
        assert pawl(root, "track", "--sync", env={"MLFLOW_TRACKING_URI": database}).returncode == 0
    assert seeds_of(database, experiment, "train").keys() == {"own seeds", "seed 1"}


def test_tracking_can_be_off(tmp_path: Path) -> None:
    root, _ = make(tmp_path, "none", ", enabled: false")
    done = pawl(root, "noise", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    assert not (root / ".pawl" / "spool").exists()
    assert not (root / ".pawl" / "mlflow.db").exists()
    assert "MLflow" not in done.stderr


# As a dispatch with seeds does it in one step, which is told no password; the step Track comes after it.
DISPATCH = """
import sys
from pathlib import Path
from pawl.config import load_config
from pawl.noise.measure import measure_noise
from pawl.session import Choices, open_session
from pawl.steps import compare_step, plan_step, reproduce_step
root = Path.cwd()
measure_noise(root, load_config(root), 1, print, base="main", use_remote=False)
session = open_session(Choices(root))
plan, head, base = plan_step(session)
compare_step(session, plan, reproduce_step(session, plan, head, base, print, tracked=True))
"""


def test_seeds_of_a_dispatch_are_delivered_with_its_run(tmp_path: Path, database: str) -> None:
    from mlflow import MlflowClient

    root, experiment = make(tmp_path, "dispatched")
    branch(root, "faster", {"params.yaml": "train: {seed: 1, rate: 3}\n"})
    source = str(Path(__file__).parents[2] / "src")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REF": "refs/heads/faster"}
    subprocess.run(
        [sys.executable, "-c", DISPATCH], cwd=root, check=True, env={**os.environ, **env, "PYTHONPATH": source}
    )
    assert len(list((root / ".pawl" / "spool").glob("*/events.jsonl"))) == 1
    # The server is down: what was trained with other seeds is in the report too.
    done = pawl(root, "track", env={**env, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    assert "could not be used" in done.stderr
    elsewhere = tmp_path / "elsewhere"
    git(tmp_path, "clone", "--quiet", str(root), str(elsewhere))
    synced = pawl(elsewhere, "track", "--sync", str(root / "reports" / "spool"), env={"MLFLOW_TRACKING_URI": database})
    assert synced.returncode == 0, synced.stderr
    trained = seeds_of(database, experiment, "train")
    assert trained.keys() == {"own seeds", "seed 1"}
    client = MlflowClient(tracking_uri=database)
    for run in trained.values():
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["provenance.json"]
    [parent] = runs_in(database, experiment, "parent")
    assert (parent.info.run_name, parent.info.status) == ("faster", "FINISHED")
    assert parent.data.tags["pawl.verdict"]
    assert pawl(root, "track", env={**env, "MLFLOW_TRACKING_URI": database}).returncode == 0
    assert len(runs_in(database, experiment, "parent")) == 1
    assert seeds_of(database, experiment, "train").keys() == {"own seeds", "seed 1"}
