"""What every stage of every task must do."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from tasks.common.data.manifest import read_manifest
from tasks.common.model.card import read_card
from tasks.common.stage.files import file_digest
from tests.tasks.checkouts import CONFIGURATIONS, OTHER_SEED, REPOSITORY, STAGES, TASKS, params_of

STAGES_OF_TASKS = [(stage, task) for task in TASKS for stage in STAGES]
EPOCHS = {"torch": 15, "tensorflow": 15, "logistic_regression": 1, "svc": 1, "mlp": 60}
# What is promised of models trained on the whole of their data; the others' tests are in their tasks' folders.
ACCURACY = {"torch": 0.97, "tensorflow": 0.97, "logistic_regression": 0.95, "svc": 0.95, "mlp": 0.95}


def stage_of_dvc(stage: str) -> dict:
    return YAML(typ="safe", pure=True).load((REPOSITORY / "dvc.yaml").read_text())["stages"][stage]


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", ACCURACY)
def test_every_model_is_as_good_as_promised(finished, name):
    metrics = json.loads(finished[name].metrics.read_text())
    assert metrics["accuracy"] >= ACCURACY[name]
    assert metrics["accuracy"] > metrics["majority_baseline_accuracy"] + 0.3
    assert metrics["log_loss"] < 0.2


@pytest.mark.parametrize(("stage", "task"), STAGES_OF_TASKS)
def test_dvc_knows_every_file_that_a_stage_imports(finished, stage, task):
    deps = [dep.replace("${item.task}", task) for dep in stage_of_dvc(stage)["deps"]]
    imported = finished.imported(stage, task)
    assert "src/tasks/common/stage/run.py" in imported
    for file in imported:
        covered = any(file == dep or file.startswith(f"{dep}/") for dep in deps)
        assert covered or _is_only_a_docstring(REPOSITORY / file), f"{stage} imports {file}, no dependency of it"


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_code_that_no_task_uses_in_it(finished, stage):
    imported = [file for task in TASKS for file in finished.imported(stage, task)]
    for dep in stage_of_dvc(stage)["deps"]:
        if dep.startswith("src/tasks/common/"):
            assert any(file.startswith(f"{dep}/") for file in imported), f"{stage} has no use for {dep}"


@pytest.mark.parametrize(("stage", "task"), STAGES_OF_TASKS)
def test_dvc_knows_every_file_that_a_stage_writes(finished, stage, task):
    at = finished.of_task(task)
    entry = stage_of_dvc(stage)
    for out in [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]:
        path = out if isinstance(out, str) else next(iter(out))
        assert (at.root / path.replace("${item.task}", task)).exists()
    known = [o if isinstance(o, str) else next(iter(o)) for s in STAGES
             for kind in ("outs", "metrics", "plots") for o in stage_of_dvc(s).get(kind, [])]  # fmt: skip
    known = [path.replace("${item.task}", task) for path in known]
    written = [str(p.relative_to(at.root)) for p in at.root.rglob("*") if p.is_file() and p.name != "params.yaml"]
    assert [file for file in written if not any(file == k or file.startswith(f"{k}/") for k in known)] == []


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_training_twice_gives_the_same_bytes(finished, trained_again, name):
    """About 20 s the first time: both frameworks are imported and train again."""
    assert digests(trained_again[name].model) == digests(finished[name].model)
    assert digests(trained_again[name].history) == digests(finished[name].history)


def test_fetching_and_preparing_twice_gives_the_same_bytes(finished):
    for one, other in (("torch", "tensorflow"), ("svc", "mlp")):  # the others' tests are in their tasks' folders
        assert digests(finished[one].root / "data") == digests(finished[other].root / "data")


@pytest.mark.parametrize("name", OTHER_SEED)
def test_another_seed_is_another_model(finished, trained_again, name):
    other = trained_again[f"{name} other seed"]
    assert digests(other.model) != digests(finished[name].model)
    assert digests(other.history) != digests(finished[name].history)


@pytest.mark.parametrize("name", EPOCHS)
def test_the_history_has_one_row_an_epoch_and_the_card_the_best(finished, name):
    paths = finished[name]
    card = read_card(paths.model, paths.task)
    for metric in ("train/loss", "val/loss", "train/accuracy", "val/accuracy"):
        rows = list(csv.DictReader((paths.history / f"plots/metrics/{metric}.tsv").open(), delimiter="\t"))
        assert [int(row["step"]) for row in rows] == list(range(EPOCHS[name]))
        values = [float(row[metric.split("/")[1]]) for row in rows]
        if metric == "val/loss":
            assert values.index(min(values)) == card.best_epoch
            assert card.validation["loss"] == min(values)
        if metric == "train/loss" and len(values) > 1:
            assert values[-1] < values[0] / 3
    assert json.loads((paths.history / "metrics.json").read_text())["step"] == EPOCHS[name] - 1


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_card_says_what_the_model_needs(finished, name):
    paths = finished[name]
    card = read_card(paths.model, paths.task)
    assert card.task == paths.task
    assert card.files
    assert card.source == json.loads((paths.raw / "source.json").read_text())
    assert card.params == params_of(paths, "train").model_dump()
    assert card.data_digest == file_digest(paths.prepared / "manifest.csv")
    assert card.stage_key is None  # These roots are no DVC repositories.


@pytest.mark.parametrize("name", ACCURACY)
def test_predictions_metrics_and_confusion_agree(finished, name):
    paths = finished[name]
    card = read_card(paths.model, paths.task)
    test = [example for example in read_manifest(paths.prepared) if example.split == "test"]
    table = pq.read_table(paths.predictions)
    columns = ["id", "target", "prediction", *(f"score:{label}" for label in card.labels)]
    assert table.column_names == [*columns, *(["image"] if paths.task == "digits" else [])]
    rows = table.to_pylist()
    assert [(row["id"], row["target"]) for row in rows] == [(example.id, example.label) for example in test]
    scores = np.array([[row[f"score:{label}"] for label in card.labels] for row in rows])
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(rows)))
    assert [row["prediction"] for row in rows] == [card.labels[i] for i in scores.argmax(axis=1)]
    metrics = json.loads(paths.metrics.read_text())
    assert metrics["accuracy"] == np.mean([row["target"] == row["prediction"] for row in rows])
    assert metrics["examples"] == len(rows)
    confusion = list(csv.DictReader(paths.confusion.open()))
    assert confusion == [{"actual": row["target"], "predicted": row["prediction"]} for row in rows]


@pytest.mark.parametrize("task", ["digits", "tabular"])
def test_the_splits_have_the_promised_sizes_and_share_nothing(finished, task):
    paths = finished.of_task(task)
    examples = read_manifest(paths.prepared)
    of = {s: {e.digest for e in examples if e.split == s} for s in ("train", "validation", "test")}
    assert not of["train"] & of["test"]
    assert not of["train"] & of["validation"]
    assert not of["validation"] & of["test"]
    shares = {split: sum(e.split == split for e in examples) / len(examples) for split in of}
    assert shares == pytest.approx({"train": 0.6, "validation": 0.15, "test": 0.25}, abs=0.01)


def _is_only_a_docstring(file: Path) -> bool:
    body = ast.parse(file.read_text()).body
    return file.name == "__init__.py" and len(body) == 1 and ast.get_docstring(ast.parse(file.read_text())) is not None
