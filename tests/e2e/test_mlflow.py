"""A pull request and its merge as MLflow shows them: asked through its client, and its pages opened in a browser."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.browser.chromium import Browser, Page
from tests.e2e.test_main import PACKAGE_STAGE
from tests.e2e.test_pull_request import RATE, assert_green
from tests.e2e.world import RECORD, REPOSITORY, World
from tests.faults.site import serve_mlflow
from tests.registry.keys import make_keys
from tests.registry.pipeline import PACKAGE
from tests.support.repositories import commit, git

FOLDS = """
import os
for fold in (0, 1):
    os.makedirs(f"folds/fold_{fold}", exist_ok=True)
    with open(f"folds/fold_{fold}/loss.tsv", "w") as out:
        out.write("step\\tloss\\n" + "".join(f"{step}\\t{1 / (1 + step + fold)}\\n" for step in range(4)))
"""
PAGE_SECONDS = 90
NO_ASSISTANT = """
localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
"""
UNFOLD = """
for (const button of document.querySelectorAll("button[data-component-id*=runnamecellrenderer]:not([data-unfolded])")) {
  button.dataset.unfolded = "";
  button.click();
}
"""


@pytest.fixture(scope="module")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_mlflow(tmp_path_factory.mktemp("mlflow") / "server") as url:
        yield url


def with_folds_and_package(world: World, public_key: str) -> None:
    """Main's pipeline, whose training has two folds and whose model is packaged."""
    git(world.work, "checkout", "--quiet", "main")
    script = RECORD % "package" + PACKAGE.replace("model.json", "model.txt")
    pipeline = (world.work / "dvc.yaml").read_text() + PACKAGE_STAGE.lstrip("\n")
    files = {
        "package.py": script.replace('json.loads(pathlib.Path(path).read_text())["skill"]', "float(open(path).read())"),
        "train.py": (world.work / "train.py").read_text() + FOLDS,
        "dvc.yaml": pipeline.replace("- history.tsv: {x: step}", "- history.tsv: {x: step}\n      - folds: {x: step}"),
        "model-signing.pub": public_key,
    }
    commit(world.work, "Folds, and a package", files)
    world.push_main()


def runs_in(client: MlflowClient, experiment: str) -> dict[str, list[Any]]:
    """Kind -> the runs of that kind, the oldest first."""
    found = client.get_experiment_by_name(experiment)
    assert found is not None, [known.name for known in client.search_experiments()]
    by_kind: dict[str, list[Any]] = {}
    for run in client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"]):
        by_kind.setdefault(run.data.tags.get("pawl.kind", ""), []).append(run)
    return by_kind


def text_of(address: str, wanted: str, picture: Path | None = None) -> str:
    """What a page says, once it says what is wanted or long has not."""
    with Browser() as browser:
        page = Page(browser)
        page.call("Emulation.setDeviceMetricsOverride", width=1_500, height=900, deviceScaleFactor=1, mobile=False)
        page.call("Page.enable")
        page.call("Page.addScriptToEvaluateOnNewDocument", source=NO_ASSISTANT)
        page.call("Page.navigate", url=f"{address}?workflowType=machine_learning")
        end, said = time.monotonic() + PAGE_SECONDS, ""
        while wanted not in said and time.monotonic() < end:
            time.sleep(0.5)
            said = str(page.run("document.body ? document.body.innerText : ''"))
        if picture is not None:
            for _ in range(
                3
            ):  # MLflow draws its tables a moment after their headings, and what is below a run on a click
                time.sleep(2)
                page.run(UNFOLD)
            content = page.call("Page.captureScreenshot", format="png")["data"]
            picture.write_bytes(base64.b64decode(content))
    return said


def test_a_pull_request_and_its_merge_are_told_apart_and_hang_together(
    world: World, mlflow_url: str, tmp_path: Path
) -> None:
    private, public = make_keys(tmp_path)
    world.mlflow_url, world.signing_key = mlflow_url, private.read_text()
    with_folds_and_package(world, public.read_text())
    opened = world.open_pull_request(7, "faster", {"params.yaml": RATE.format("2.375")}, "Raise the rate")
    assert_green(world.run("pull_request", opened, "runner-1"))

    client = MlflowClient(tracking_uri=mlflow_url)
    runs = runs_in(client, "e2e branches")
    [parent] = runs["parent"]
    assert parent.info.run_name.startswith("#7")
    assert (parent.info.status, parent.data.tags["pawl.verdict"]) == ("FINISHED", "better")
    assert parent.data.tags["mlflow.source.git.commit"] == world.checked_out(), "the merge that was measured"
    stages = {(run.data.tags["pawl.stage"], run.data.tags["pawl.side"]): run for run in runs["stage"]}
    assert {name for name, side in stages if side == "head"} == {"train", "evaluate", "package"}
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in runs["stage"])
    train = stages["train", "head"]
    folds = [run for run in runs["part"] if run.data.tags["mlflow.parentRunId"] == train.info.run_id]
    assert sorted(run.info.run_name for run in folds) == ["fold_0", "fold_1"]
    for run in folds:
        assert len(client.get_metric_history(run.info.run_id, "loss")) == 4
    assert len(client.get_metric_history(train.info.run_id, "loss")) == 5
    assert train.data.params["train.rate"] == "2.375"
    evaluate = stages["evaluate", "head"]
    for tag in ("stage_key", "inputs", "code", "outputs", "device", "environment", "diff", "data_revision", "remote"):
        assert evaluate.data.tags.get(f"pawl.{tag}"), tag
    assert evaluate.data.tags["pawl.diff"] == "clean"
    assert {one.dataset.name for one in evaluate.inputs.dataset_inputs} == {"model.txt"}
    assert evaluate.data.metrics["accuracy"] == 0.7375
    artifacts = {item.path for item in client.list_artifacts(train.info.run_id)}
    assert "provenance.json" in artifacts

    # The merge: main's own experiment, main's own training, and the model that came of it.
    git(world.work, "checkout", "--quiet", "main")
    before = git(world.work, "rev-parse", "main")
    after = commit(world.work, "Merge pull request #7 from acme/faster", {"params.yaml": RATE.format("2.375")})
    world.push_main()
    event = {"before": before, "after": after, "ref": "refs/heads/main", "repository": REPOSITORY}
    assert_green(world.run("push", event, "runner-1"))

    runs = runs_in(client, "e2e")
    [main] = runs["parent"]
    assert (main.info.run_name, main.info.status) == ("main", "FINISHED")
    made = {run.data.tags["pawl.stage"]: run for run in runs["stage"] if run.data.tags["pawl.side"] == "head"}
    assert set(made) == {"train", "evaluate", "package"}
    assert {run.data.tags["pawl.stage_key"] for run in made.values()} == {
        run.data.tags["pawl.stage_key"] for (_, side), run in stages.items() if side == "head"
    }
    model = client.get_registered_model("ct-pets")
    assert model.aliases == {"candidate": "1", "champion": "1"}
    version = client.get_model_version("ct-pets", "1")
    assert version.run_id == made["package"].info.run_id
    assert version.tags["pawl.pull_request"] == "7"
    assert version.tags["pawl.commit"] == after

    # Nothing is left open, whatever it was.
    for name in ("e2e", "e2e branches"):
        assert {run.info.status for kind in runs_in(client, name).values() for run in kind} == {"FINISHED"}

    # And a person finds it.
    experiment = client.get_experiment_by_name("e2e branches").experiment_id
    said = text_of(f"{mlflow_url}/#/experiments/{experiment}/runs", "#7", tmp_path / "runs.png")
    assert "#7" in said
    shown = f"{mlflow_url}/#/experiments/{experiment}/runs/{train.info.run_id}"
    said = text_of(shown, "pawl.stage_key", tmp_path / "run.png")
    assert "pawl.stage_key" in said
    said = text_of(f"{mlflow_url}/#/models/ct-pets", "champion", tmp_path / "model.png")
    assert "champion" in said
