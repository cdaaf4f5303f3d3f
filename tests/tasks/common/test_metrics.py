from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from tasks.common.evaluation.metrics import calibration_error, classification_metrics, log_loss, macro_f1, roc_auc

seeds = st.integers(0, 10_000)


def draw(seed: int, n_labels: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.concatenate([np.arange(n_labels), rng.integers(n_labels, size=n)]))
    # Rounded, so that scores tie.
    scores = np.round(rng.dirichlet(np.ones(n_labels), len(targets)), 1) + 0.01
    return targets, scores / scores.sum(axis=1, keepdims=True)


@given(seeds, st.integers(2, 6))
def test_metrics_are_those_of_scikit_learn(seed, n_labels):
    targets, scores = draw(seed, n_labels)
    found = classification_metrics(targets, scores, 0, 10)
    predictions = scores.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(targets, predictions))
    assert found["macro_f1"] == pytest.approx(reference.f1_score(targets, predictions, average="macro"))
    assert found["log_loss"] == pytest.approx(reference.log_loss(targets, scores))
    assert found["majority_baseline_accuracy"] == pytest.approx((targets == 0).mean())
    assert found["examples"] == len(targets)
    if n_labels == 2:
        assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(targets, scores[:, 1]))
    assert ("roc_auc" in found) == (n_labels == 2)


def test_a_label_that_never_occurs_does_not_count_in_macro_f1():
    targets, predictions = np.array([0, 0, 1]), np.array([0, 1, 1])
    assert macro_f1(targets, predictions, 5) == pytest.approx(reference.f1_score(targets, predictions, average="macro"))


def test_a_probability_of_zero_costs_much_but_not_everything():
    assert 30 < log_loss(np.array([0]), np.array([[0.0, 1.0]])) < 40


def test_a_model_as_sure_as_it_is_right_is_calibrated():
    scores = np.array([[0.75, 0.25]] * 4)
    assert calibration_error(np.array([0, 0, 0, 1]), scores, 10) == pytest.approx(0)
    assert calibration_error(np.array([1, 1, 1, 1]), scores, 10) == pytest.approx(0.75)
    assert calibration_error(np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]), 10) == pytest.approx(0)


def test_scores_without_information_rank_by_chance():
    assert roc_auc(np.array([True, False, True]), np.array([0.5, 0.5, 0.5])) == pytest.approx(0.5)
