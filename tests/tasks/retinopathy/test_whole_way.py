"""The stages after each other: as params.yaml has them, and on two data versions."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tasks.retinopathy.evaluate.run import worst_mistakes
from tasks.retinopathy.infer import load
from tasks.retinopathy.model.scoring import Scores
from tasks.retinopathy.split import main, split_folder
from tests.support.repositories import commit, dvc, git

STAGES = ("fetch", "prepare", "train", "evaluate")


def run(paths: TaskPaths, *stages: str) -> None:
    for stage in stages or STAGES:
        run_stage(stage, "retinopathy", paths.root)


def digests(paths: TaskPaths) -> dict[str, str]:
    files = [p for top in ("data", "models", "results") for p in (paths.root / top).rglob("*") if p.is_file()]
    return {str(p.relative_to(paths.root)): file_digest(p) for p in sorted(files)}


def test_the_grades_of_held_out_photographs_are_found(graded):
    metrics = json.loads(graded.metrics.read_text())
    assert metrics["qwk"] >= 0.80
    assert metrics["accuracy"] > metrics["majority_baseline_accuracy"] + 0.2
    assert metrics["mae"] < 0.6


def test_metrics_predictions_and_confusion_agree(graded):
    from sklearn.metrics import cohen_kappa_score, f1_score, log_loss

    table = pq.read_table(graded.predictions).to_pylist()
    test = [e for e in read_manifest(graded.prepared) if e.split == "test"]
    assert [(row["id"], row["target"]) for row in table] == [(e.id, e.label) for e in test]
    scores = np.array([[row[f"score:{k}"] for k in range(5)] for row in table])
    assert scores.sum(axis=1) == pytest.approx(np.ones(len(table)))
    targets, predicted = ([int(row[name]) for row in table] for name in ("target", "prediction"))
    metrics = json.loads(graded.metrics.read_text())
    assert metrics["qwk"] == pytest.approx(cohen_kappa_score(targets, predicted, weights="quadratic"))
    assert metrics["mae"] == pytest.approx(np.abs(np.subtract(targets, predicted)).mean())
    assert metrics["macro_f1"] == pytest.approx(f1_score(targets, predicted, average="macro"))
    assert metrics["log_loss"] == pytest.approx(log_loss(targets, scores))
    assert metrics["examples"] == len(table)
    confusion = list(csv.DictReader(graded.confusion.open()))
    assert confusion == [{"actual": row["target"], "predicted": row["prediction"]} for row in table]
    with Image.open(graded.pictures / "mistakes.png") as picture:
        assert picture.width > 100


def test_the_history_has_all_measures_of_both_splits_and_the_card_the_best_epoch(graded):
    from tasks.retinopathy.train.run import Params

    epochs = read_params(graded.root, "retinopathy", "train", Params).epochs
    columns = {}
    for side in ("train", "val"):
        for measure in ("loss", "qwk", "mae", "accuracy"):
            rows = list(csv.DictReader((graded.history / f"plots/metrics/{side}/{measure}.tsv").open(), delimiter="\t"))
            columns[side, measure] = [float(row[measure]) for row in rows]
            assert len(rows) == epochs
    card = read_card(graded.model, "retinopathy")
    assert card.best_epoch == int(np.argmin(columns["val", "loss"]))
    assert card.validation == {m: columns["val", m][card.best_epoch] for m in ("loss", "qwk", "mae", "accuracy")}
    assert card.source["synthetic"] is True
    assert columns["train", "loss"][-1] < columns["train", "loss"][0] / 2


def test_inference_on_the_test_photographs_gives_the_rows_of_the_predictions(graded, tmp_path):
    test = [e for e in read_manifest(graded.prepared) if e.split == "test"]
    answers = load(graded)([graded.raw / e.source for e in test], tmp_path)
    rows = pq.read_table(graded.predictions).to_pylist()
    assert [answer.predicted for answer in answers] == [(row["prediction"],) for row in rows]
    assert [dict(answer.labels) for answer in answers] == [
        {str(k): row[f"score:{k}"] for k in range(5)} for row in rows
    ]


def test_a_file_that_is_no_photograph_does_not_stop_the_others(graded, tmp_path):
    example = read_manifest(graded.prepared)[0]
    (tmp_path / "text.png").write_text("no image")
    files = [tmp_path / "text.png", graded.raw / example.source, tmp_path / "absent.png"]
    answers = load(graded)(files, tmp_path)
    assert [answer.source for answer in answers] == [str(file) for file in files]
    assert [answer.problem for answer in answers] == ["is not a JPEG or PNG image", None, "does not exist"]
    assert sum(answers[1].labels.values()) == pytest.approx(1)
    assert [answer.problem for answer in load(graded)(files[:1], tmp_path)] == ["is not a JPEG or PNG image"]


def test_only_photographs_of_the_training_split_are_changed_by_chance(tiny, monkeypatch):
    import tasks.retinopathy.train.run as train

    seen = []

    def spy(images, augmentation, rng):
        seen.extend(image.tobytes() for image in images)
        return augment(images, augmentation, rng)

    augment = train.augment
    monkeypatch.setattr(train, "augment", spy)
    paths = tiny()
    run(paths, "fetch", "prepare", "train")
    shards = {split: open_shard(paths.prepared, "photographs", split) for split in ("train", "validation")}
    assert sorted(seen) == sorted([image.tobytes() for image in shards["train"]] * 2)


@pytest.mark.parametrize("changes", [{}, {"train.model": "resnet18", "train.widths.resnet18": [4, 4, 8, 8]}])
def test_equal_parameters_give_equal_bytes_whatever_the_workers(tiny, tmp_path, changes):
    paths = [tiny({**changes, "train.data.num_workers": workers}, tmp_path / str(workers)) for workers in (0, 2)]
    for at in paths:
        run(at)
    first, second = (digests(at) for at in paths)
    differ = {name for name in first if first[name] != second[name]}
    assert first.keys() == second.keys()
    assert differ == {"models/retinopathy/card.json"}  # It has the number of workers among the parameters.


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({"fast_dev_run": True}, 1),
        ({"precision": "bfloat16", "accumulate_batches": 3}, 2),
    ],
)
def test_the_trainer_computes_in_other_ways(tiny, changes, epochs):
    paths = tiny({f"train.trainer.{key}": value for key, value in changes.items()})
    run(paths)
    assert len((paths.history / "plots/metrics/val/qwk.tsv").read_text().splitlines()) == epochs + 1
    assert json.loads(paths.metrics.read_text())["examples"] > 20


def test_two_data_versions_are_fetched_and_trained_on_by_their_tags(tiny, tmp_path, monkeypatch):
    """Both in a remote, neither in the workspace: dv1 as downloaded, dv2 with its split. About 10 s, half of it DVC."""
    # The repository has no stages, of which DVC could tell the key.
    monkeypatch.setenv("PAWL_STAGE_KEY", "0" * 64)
    sample = tiny({}, tmp_path / "sample")
    run(sample, "fetch")
    (sample.raw / "source.json").unlink()
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    dvc(root, "init", "--quiet")
    dvc(root, "remote", "add", "--default", "store", str(tmp_path / "store"))
    shutil.copytree(sample.raw, root / "dataset")
    commits = {}
    for tag in ("dv1", "dv2"):
        if tag == "dv2":
            split_folder(root / "dataset", root / "split", 0.25, 1)
            shutil.rmtree(root / "dataset")
            (root / "split").rename(root / "dataset")
        dvc(root, "add", "--quiet", "dataset")
        commits[tag] = commit(root, tag)
        git(root, "tag", "--annotate", tag, "--message", tag)
        dvc(root, "push", "--quiet")
    shutil.rmtree(root / "dataset")
    shutil.rmtree(root / ".dvc" / "cache")
    manifests = {}
    for tag in ("dv1", "dv2"):
        paths = tiny({"fetch.source": {"repo": ".", "path": "dataset", "rev": tag}}, root)
        run(paths)
        card = read_card(paths.model, "retinopathy")
        assert (card.source["rev"], card.source["commit"]) == (tag, commits[tag])
        assert json.loads(paths.metrics.read_text())["examples"] > 20
        manifests[tag] = read_manifest(paths.prepared)
    assert {e.source.partition("/")[0] for e in manifests["dv1"]} == {"train_images"}
    annotated = {e.source: e.split for e in manifests["dv2"]}
    assert {source.partition("/")[0] for source in annotated} == {"train", "validation"}
    assert all(split == "validation" for source, split in annotated.items() if source.startswith("validation/"))
    assert {e.digest for e in manifests["dv1"]} == {e.digest for e in manifests["dv2"]}


def test_the_split_version_is_seeded_and_leaves_the_original_alone(tiny, tmp_path):
    paths = tiny()
    run(paths, "fetch")
    before = digests(paths)
    split_folder(paths.raw, tmp_path / "a", 0.2, 1)
    split_folder(paths.raw, tmp_path / "b", 0.2, 1)
    split_folder(paths.raw, tmp_path / "c", 0.2, 2)
    tables = [(tmp_path / name / "annotations.csv").read_text() for name in "abc"]
    assert tables[0] == tables[1] != tables[2]
    assert digests(paths) == before
    rows = list(csv.DictReader((tmp_path / "a" / "annotations.csv").open()))
    assert len(rows) == 120
    assert sum(row["split"] == "validation" for row in rows) == pytest.approx(24, abs=3)
    assert all((tmp_path / "a" / row["split"] / f"{row['id_code']}.png").is_file() for row in rows)


def test_a_split_that_cannot_be_made_is_one_sentence(tiny, tmp_path, capsys):
    paths = tiny()
    run(paths, "fetch")
    with pytest.raises(TaskError, match="is there already"):
        split_folder(paths.raw, tmp_path, 0.2, 1)
    split_folder(paths.raw, tmp_path / "a", 0.2, 1)
    with pytest.raises(TaskError, match="has a split already"):
        split_folder(tmp_path / "a", tmp_path / "b", 0.2, 1)
    next((paths.raw / "train_images").iterdir()).unlink()
    assert main([str(paths.raw), str(tmp_path / "b")]) == 2
    assert "there is no file" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_the_worst_mistakes_are_the_furthest_off_and_then_the_least_sure():
    targets = np.array([0, 4, 2, 2, 1])
    grades = np.array([4, 4, 1, 3, 0])
    probabilities = np.full((5, 5), 0.2)
    probabilities[2, 2], probabilities[3, 2], probabilities[4, 1] = 0.3, 0.1, 0.2
    scores = Scores(grades, probabilities)
    assert list(worst_mistakes(targets, scores, 9)) == [0, 3, 4, 2]
    assert list(worst_mistakes(targets, scores, 2)) == [0, 3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train.pretrained": {"path": "w"}}, "pretrained weights are for the model resnet18"),
        ({"train.widths.resnet18": [1, 2]}, "retinopathy.train.widths.resnet18"),
        ({"train.model": "vgg"}, "retinopathy.train.model"),
        ({"train.epochs": 0}, "retinopathy.train.epochs"),
    ],
)
def test_parameters_that_cannot_be_are_one_sentence(tiny, changes, words):
    paths = tiny(changes)
    with pytest.raises(TaskError, match=words):
        run(paths, "train")
