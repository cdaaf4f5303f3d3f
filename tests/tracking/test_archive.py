"""Old runs are marked as archived by a setting, none is ever deleted, and what is marked stays as it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pawl.tracking.deliver import deliver
from tests.support.repositories import branch, make_repository, pawl
from tests.tracking.servers import runs_in
from tests.tracking.test_faults import EXPERIMENT, write_spool

DAY_MS = 86_400_000
OLD_DAYS = {"last year": 400, "last month": 31, "last week": 7, "today": 0}


def archived(client: Any, runs: dict[str, str]) -> dict[str, str | None]:
    """The day at which each was archived; every one of them must still be there."""
    found = {name: client.get_run(run) for name, run in runs.items()}
    assert {run.info.lifecycle_stage for run in found.values()} == {"active"}
    return {name: run.data.tags.get("pawl.archived") for name, run in found.items()}


@pytest.fixture
def old(database: str, tmp_path: Path) -> tuple[Any, dict[str, str]]:
    """Runs of several ages in the experiment that the next delivery writes to, and one that does not end."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=database)
    found = client.get_experiment_by_name(EXPERIMENT)
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT, str(tmp_path / "artifacts"))
    now, runs = int(time.time() * 1_000), {}
    for name, days in OLD_DAYS.items():
        runs[name] = client.create_run(experiment, start_time=now - days * DAY_MS - 2_000, run_name=name).info.run_id
        client.set_terminated(runs[name], end_time=now - days * DAY_MS - 1_000)
    runs["runs"] = client.create_run(experiment, start_time=now - 400 * DAY_MS, run_name="runs").info.run_id
    return client, runs


def delivered(folder: Path, uri: str) -> None:
    write_spool(folder, folder.name, 1)
    assert deliver([folder], uri)


def test_what_is_older_is_marked_once(
    old: tuple[Any, dict[str, str]], database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runs = old
    delivered(tmp_path / "without", database)
    assert set(archived(client, runs).values()) == {None}, "nobody asked for it"
    monkeypatch.setenv("PAWL_ARCHIVE_AFTER_DAYS", "30")
    delivered(tmp_path / "first", database)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    first = archived(client, runs)
    assert first == {"last year": today, "last month": today, "last week": None, "today": None, "runs": None}
    client.set_tag(runs["last year"], "pawl.archived", "2020-01-01")
    delivered(tmp_path / "second", database)
    assert archived(client, runs) == {**first, "last year": "2020-01-01"}
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    left = client.search_runs([experiment], "tags.`pawl.archived` IS NULL")
    names = {run.info.run_name for run in left}
    assert {"last week", "today", "runs", "first", "second"} <= names
    assert not {"last year", "last month"} & names


def test_the_setting_is_what_pawl_yaml_says(database: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=database)
    experiment = client.create_experiment("kept branches", str(tmp_path / "artifacts"))
    run = client.create_run(experiment, run_name="old", start_time=1).info.run_id
    client.set_terminated(run, end_time=int(time.time() * 1_000) - 11 * DAY_MS)
    root = make_repository(tmp_path / "repository", config="tracking: {experiment: kept, archive_after_days: 12}\n")
    branch(root, "faster", {"params.yaml": "train:\n  rate: 2.0\n"})
    assert pawl(root, "run", "--no-pictures", env={"MLFLOW_TRACKING_URI": database}).returncode == 0
    assert archived(client, {"old": run}) == {"old": None}
    (root / "pawl.yaml").write_text("tracking: {experiment: kept, archive_after_days: 10}\n")
    done = pawl(root, "run", "--no-pictures", "--allow-dirty", env={"MLFLOW_TRACKING_URI": database})
    assert done.returncode == 0, done.stderr
    assert archived(client, {"old": run})["old"] is not None
    fresh = [run for run in runs_in(database, "kept branches") if "pawl.archived" in run.data.tags]
    assert fresh == []
