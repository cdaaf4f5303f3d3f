"""The stages after each other, as params.yaml has them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.common.data.label_sets import labels_of
from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError
from tasks.posters.infer import load
from tasks.posters.model.scoring import load_scorer
from tasks.posters.model.thresholds import choose_thresholds
from tests.tasks.checkouts import params_of


def predictions(posters):
    table = pq.read_table(posters.predictions).to_pylist()
    labels = read_card(posters.model, "posters").labels
    return table, labels, np.array([[row[f"score:{label}"] for label in labels] for row in table])


def test_genres_of_held_out_posters_are_found(posters):
    metrics = json.loads(posters.metrics.read_text())
    assert metrics["mean_average_precision"] >= 2 * metrics["chance_mean_average_precision"]
    assert metrics["mean_average_precision"] >= 0.85
    assert metrics["macro_f1"] >= 0.7
    for name, value in metrics.items():
        if name.startswith("average_precision."):
            assert value > 0.6


def test_metrics_predictions_and_confusion_agree(posters):
    from sklearn.metrics import average_precision_score, f1_score

    table, labels, scores = predictions(posters)
    test = [example for example in read_manifest(posters.prepared) if example.split == "test"]
    assert [(row["id"], row["target"], row["group"]) for row in table] == [(e.id, e.label, e.group) for e in test]
    targets = np.array([[label in labels_of(example) for label in labels] for example in test])
    named = np.array([[label in row["prediction"].split("|") for label in labels] for row in table])
    thresholds = read_card(posters.model, "posters").preprocessing["thresholds"]
    assert (named == (scores >= [thresholds[label] for label in labels])).all()
    metrics = json.loads(posters.metrics.read_text())
    assert metrics["mean_average_precision"] == pytest.approx(average_precision_score(targets, scores, average="macro"))
    assert metrics["macro_f1"] == pytest.approx(f1_score(targets, named, average="macro"))
    assert metrics["micro_f1"] == pytest.approx(f1_score(targets, named, average="micro"))
    assert metrics["chance_mean_average_precision"] == pytest.approx(targets.mean(axis=0).mean())
    for k, label in enumerate(labels):
        expected = average_precision_score(targets[:, k], scores[:, k])
        assert metrics[f"average_precision.{label}"] == pytest.approx(expected)
    rows = list(csv.DictReader(posters.confusion.open()))
    assert sum(row["actual"] == row["predicted"] for row in rows) == (targets & named).sum()
    assert len(rows) == (targets | named).sum()
    with Image.open(posters.pictures / "mistakes.png") as picture:
        assert picture.width > 600


def test_thresholds_are_those_of_the_validation_split(posters):
    """About 8 s, because TensorFlow is imported."""
    card = read_card(posters.model, "posters")
    batch_size = params_of(posters, "train").batch_size
    scorer = load_scorer(posters.model, card, batch_size, "cpu", 1)
    scores = scorer.score(open_shard(posters.prepared, "images", "validation"))
    examples = [example for example in read_manifest(posters.prepared) if example.split == "validation"]
    targets = np.array([[label in labels_of(example) for label in card.labels] for example in examples])
    assert choose_thresholds(targets, scores) == pytest.approx(list(scorer.thresholds), rel=1e-4)
    assert list(card.preprocessing["thresholds"]) == card.labels


def test_both_phases_have_their_history_and_the_card_the_best_epoch(posters):
    params = params_of(posters, "train")
    card = read_card(posters.model, "posters")
    losses = []
    for name, phase in (("head", params.head), ("fine_tune", params.fine_tune)):
        rows = csv.DictReader((posters.history / f"plots/metrics/{name}/val/loss.tsv").open(), delimiter="\t")
        steps = [(int(row["step"]), float(row["loss"])) for row in rows]
        assert [step for step, _ in steps] == list(range(phase.epochs))
        losses += [loss for _, loss in steps]
        curves = {path.stem for path in (posters.curves).rglob("*.png")}
        assert any("loss" in curve for curve in curves)
    assert losses.index(min(losses)) == card.best_epoch
    assert card.validation["loss"] == min(losses)
    assert set(card.validation) == {"loss", "micro_f1", "subset_accuracy"}
    assert min(losses) == min(losses[params.head.epochs :]) < min(losses[: params.head.epochs]) / 2


def test_inference_on_the_test_posters_gives_the_very_rows_of_the_predictions(posters, tmp_path):
    table, labels, scores = predictions(posters)
    test = [example for example in read_manifest(posters.prepared) if example.split == "test"]
    files = [posters.raw / example.source for example in test]
    answers = load(posters)(files, tmp_path)
    assert [answer.source for answer in answers] == [str(file) for file in files]
    assert [list(answer.labels) for answer in answers] == [labels] * len(test)
    assert (np.array([list(answer.labels.values()) for answer in answers]) == scores).all()
    assert ["|".join(answer.predicted) for answer in answers] == [row["prediction"] for row in table]


def test_a_file_that_is_no_poster_has_its_problem_and_the_others_their_answers(posters, tmp_path):
    bad, absent = tmp_path / "notes.jpg", tmp_path / "absent.jpg"
    bad.write_text("no image")
    good = sorted((posters.raw / "Images").iterdir())[0]
    first, second, third = load(posters)([bad, good, absent], tmp_path)
    assert (first.problem, first.labels, first.predicted) == ("is not a JPEG or PNG image", {}, ())
    assert second.problem is None
    assert all(0 <= score <= 1 for score in second.labels.values())
    assert third.problem == "does not exist"
    assert [answer.problem is None for answer in load(posters)([bad], tmp_path)] == [False]


def test_a_card_of_another_model_is_one_sentence(posters):
    card = read_card(posters.model, "posters")
    for changed in (
        {"preprocessing": {key: value for key, value in card.preprocessing.items() if key != "thresholds"}},
        {"preprocessing": card.preprocessing | {"image_size": 96}},
        {"labels": card.labels[:-1]},
    ):
        with pytest.raises(TaskError, match="run the stage train again"):
            load_scorer(posters.model, card.model_copy(update=changed), 8, "cpu", 1)
