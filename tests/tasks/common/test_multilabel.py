from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from tasks.common.data.label_sets import join_labels, labels_of, target_matrix
from tasks.common.data.manifest import Example
from tasks.common.evaluation.multilabel import (
    average_precisions,
    confusion_pairs,
    f1_of_labels,
    log_loss,
    micro_f1,
    multilabel_metrics,
)

seeds = st.integers(0, 10_000)


def draw(seed: int, n: int, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.random((n, n_labels)) < rng.uniform(0.05, 0.9)
    # Rounded, so that scores tie.
    return targets, np.round(rng.random((n, n_labels)), rng.integers(1, 4))


@given(seeds, st.integers(1, 60), st.integers(1, 6))
@settings(max_examples=40)
def test_metrics_are_those_of_scikit_learn(seed, n, n_labels):
    targets, scores = draw(seed, n, n_labels)
    predictions = scores >= 0.5
    labels = [f"label {k}" for k in range(n_labels)]
    found = multilabel_metrics(targets, scores, predictions, labels)
    with warnings.catch_warnings():
        # Of labels that no example has: their precision is 0 there too.
        warnings.simplefilter("ignore")
        precisions = [reference.average_precision_score(targets[:, k], scores[:, k]) for k in range(n_labels)]
    assert average_precisions(targets, scores) == pytest.approx(np.array(precisions))
    assert [found[f"average_precision.{label}"] for label in labels] == pytest.approx(precisions)
    assert found["mean_average_precision"] == pytest.approx(np.mean(precisions))
    each = [reference.f1_score(targets[:, k], predictions[:, k], zero_division=0) for k in range(n_labels)]
    assert f1_of_labels(targets, predictions) == pytest.approx(np.array(each))
    assert found["macro_f1"] == pytest.approx(np.mean(each))
    pooled = reference.f1_score(targets.ravel(), predictions.ravel(), zero_division=0)
    assert micro_f1(targets, predictions) == found["micro_f1"] == pytest.approx(pooled)
    exact = reference.accuracy_score(
        targets.ravel()[None] if n == 1 else targets, predictions.ravel()[None] if n == 1 else predictions
    )
    assert found["subset_accuracy"] == pytest.approx(exact)
    kept = np.clip(scores, np.finfo(float).eps, 1 - np.finfo(float).eps)
    assert log_loss(targets, scores) == pytest.approx(reference.log_loss(targets.ravel(), kept.ravel(), labels=[0, 1]))
    assert found["chance_mean_average_precision"] == pytest.approx(targets.mean())
    assert found["examples"] == n


def test_scores_without_information_have_the_precision_of_chance():
    targets, _ = draw(3, 200, 4)
    assert average_precisions(targets, np.full((200, 4), 0.3)) == pytest.approx(targets.mean(axis=0))


def test_predicting_nothing_scores_nothing():
    targets, _ = draw(1, 50, 3)
    nothing = np.zeros_like(targets)
    assert micro_f1(targets, nothing) == 0
    assert f1_of_labels(targets, nothing).sum() == 0


@given(seeds, st.integers(1, 20), st.integers(1, 5))
def test_the_confusion_counts_every_hit_and_every_error_once(seed, n, n_labels):
    targets, scores = draw(seed, n, n_labels)
    predictions = scores >= 0.5
    labels = [f"label {k}" for k in range(n_labels)]
    pairs = confusion_pairs(targets, predictions, labels)
    for k, label in enumerate(labels):
        assert pairs.count((label, label)) == (targets & predictions)[:, k].sum()
        assert pairs.count((label, "(missed)")) == (targets & ~predictions)[:, k].sum()
        assert pairs.count(("(none)", label)) == (~targets & predictions)[:, k].sum()
    assert len(pairs) == (targets | predictions).sum()


def test_labels_go_into_the_manifest_and_out_again():
    examples = [Example("a", "train", join_labels(names), "d", "g", "s") for names in (["x", "z"], ["y"], [])]
    assert [labels_of(example) for example in examples] == [["x", "z"], ["y"], []]
    targets = target_matrix(examples, ["x", "y", "z"])
    assert targets.dtype == np.float32
    assert targets.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="not in list"):
        target_matrix(examples, ["x", "y"])
