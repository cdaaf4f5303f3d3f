"""Every metric has scikit-learn's value, and influences that are its derivatives."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from pawl.compare.statistics import number_metrics, score_metrics, set_metrics
from pawl.compare.statistics.differences import compare_pairs
from pawl.compare.statistics.label_metrics import LABEL_METRICS
from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import Predictions
from tests.compare.statistics import pairs

SEEDS = st.integers(0, 2**32 - 1)


def value_of(pair: Pair, name: str) -> float:
    [found] = compare_pairs(pair, [name], resamples=2)
    return found.base


@given(SEEDS, st.integers(2, 6), st.integers(6, 60))
@settings(max_examples=10, deadline=None)
def test_metrics_of_labels_are_those_of_scikit_learn(seed: int, n_labels: int, examples: int) -> None:
    random = np.random.default_rng(seed)
    targets, said = random.integers(0, n_labels, (2, examples))
    pair = pairs.classes(targets, said, said, n_labels)
    expected = {
        "accuracy": reference.accuracy_score(targets, said),
        "macro_f1": reference.f1_score(targets, said, average="macro", zero_division=0),
        "weighted_f1": reference.f1_score(targets, said, average="weighted", zero_division=0),
        "micro_f1": reference.f1_score(targets, said, average="micro"),
        "mae": reference.mean_absolute_error(targets, said),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected["balanced_accuracy"] = reference.balanced_accuracy_score(targets, said)
        expected["qwk"] = reference.cohen_kappa_score(targets, said, weights="quadratic", labels=np.arange(n_labels))
    for name, value in expected.items():
        assert value_of(pair, name) == pytest.approx(1.0 if math.isnan(value) else value, abs=1e-9), name
    for label in np.unique(targets):
        recall = reference.recall_score(targets == label, said == label)
        assert value_of(pair, f"recall:{label}") == pytest.approx(recall, abs=1e-9)


@given(SEEDS, st.integers(8, 60), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_metrics_of_ranks_are_those_of_scikit_learn(seed: int, examples: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    positives = random.random(examples) < 0.4
    positives[:2] = True, False
    # Few different scores, so that many are equal.
    scores = random.integers(0, steps + 1, examples) / steps
    assert score_metrics.auroc(positives, scores).value == pytest.approx(reference.roc_auc_score(positives, scores))
    found = score_metrics.average_precision(positives, scores).value
    assert found == pytest.approx(reference.average_precision_score(positives, scores))


@pytest.mark.parametrize("n_labels", [2, 3, 7])
def test_metrics_of_scores_are_those_of_scikit_learn(n_labels: int) -> None:
    pair = pairs.scored(np.random.default_rng(n_labels), 80, n_labels)
    targets, scores = pair.base.targets, pair.base.scores
    assert targets is not None
    assert scores is not None
    assert value_of(pair, "log_loss") == pytest.approx(reference.log_loss(targets, scores, labels=range(n_labels)))
    one_hot = np.eye(n_labels)[targets]
    if n_labels == 2:
        assert value_of(pair, "auroc") == pytest.approx(reference.roc_auc_score(targets, scores[:, 1]))
        assert value_of(pair, "brier") == pytest.approx(reference.brier_score_loss(targets, scores[:, 1]))
        expected = reference.average_precision_score(targets, scores[:, 1])
        assert value_of(pair, "average_precision") == pytest.approx(expected)
        assert compare_pairs(pair, ["mean_average_precision"]) == ()
    else:
        assert value_of(pair, "auroc") == pytest.approx(reference.roc_auc_score(targets, scores, multi_class="ovr"))
        assert value_of(pair, "brier") == pytest.approx(
            reference.brier_score_loss(targets, scores, labels=range(n_labels))
        )
        expected = reference.average_precision_score(one_hot, scores, average="macro")
        assert value_of(pair, "mean_average_precision") == pytest.approx(expected)


def test_a_score_of_zero_for_the_truth_is_no_infinite_loss() -> None:
    pair = pairs.classes([0, 1], [1, 1], [1, 1], 2, ([[0, 1], [0, 1]], [[0, 1], [0, 1]]))
    assert value_of(pair, "log_loss") == pytest.approx(reference.log_loss([0, 1], [[0.0, 1.0], [0.0, 1.0]]))


def test_the_calibration_error_is_the_mean_gap_over_ten_bins() -> None:
    # Bins of 0.6 and 0.9: 2 of 4 right at 0.65, 1 of 1 at 0.95; the gaps are 0.15 and 0.05.
    scores = [[0.35, 0.65]] * 4 + [[0.05, 0.95]]
    pair = pairs.classes([1, 1, 0, 0, 1], [1] * 5, [1] * 5, 2, (scores, scores))
    assert value_of(pair, "calibration_error") == pytest.approx(0.15 * 4 / 5 + 0.05 * 1 / 5)


def test_grades_that_are_not_next_to_each_other_count_by_their_distance() -> None:
    sides = [
        Predictions(pairs.ids(4), "classification", ("0", "1", "5"), np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1]))
    ] * 2
    assert value_of(Pair(*sides), "mae") == pytest.approx(1.0)
    texts = [
        Predictions(pairs.ids(4), "classification", ("a", "b", "c"), np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1]))
    ] * 2
    assert compare_pairs(Pair(*texts), ["mae"]) == ()
    assert value_of(Pair(*texts), "qwk") == pytest.approx(
        reference.cohen_kappa_score([0, 1, 2, 2], [0, 1, 2, 1], weights="quadratic")
    )


@given(SEEDS, st.integers(2, 5), st.integers(3, 40))
@settings(max_examples=10, deadline=None)
def test_metrics_of_sets_are_those_of_scikit_learn(seed: int, n_labels: int, examples: int) -> None:
    random = np.random.default_rng(seed)
    targets, said = random.random((2, examples, n_labels)) < 0.4
    scores = random.random((examples, n_labels)).round(1)
    side = Predictions(pairs.ids(examples), "multi-label", tuple("abcde"[:n_labels]), targets, said, scores)
    pair = Pair(side, side)
    for average in ("macro", "micro", "weighted"):
        expected = reference.f1_score(targets, said, average=average, zero_division=0)
        assert value_of(pair, f"{average}_f1") == pytest.approx(expected)
    assert value_of(pair, "accuracy") == pytest.approx(reference.accuracy_score(targets, said))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = reference.average_precision_score(targets, scores, average="macro")
    assert value_of(pair, "mean_average_precision") == pytest.approx(expected)
    assert value_of(pair, "log_loss") == pytest.approx(
        np.mean([reference.log_loss(targets[:, k], scores[:, k], labels=[0, 1]) for k in range(n_labels)])
    )
    assert value_of(pair, "brier") == pytest.approx(reference.mean_squared_error(targets.astype(float), scores))
    two_sided = [k for k in range(n_labels) if 0 < targets[:, k].sum() < examples]
    if two_sided:
        expected = reference.roc_auc_score(targets[:, two_sided], scores[:, two_sided], average="macro")
        assert value_of(pair, "auroc") == pytest.approx(expected)


@given(SEEDS, st.integers(3, 40))
@settings(max_examples=30, deadline=None)
def test_metrics_of_numbers_are_those_of_scikit_learn(seed: int, examples: int) -> None:
    random = np.random.default_rng(seed)
    targets, said = random.normal(5, 3, (2, examples))
    side = Predictions(pairs.ids(examples), "regression", (), targets, said)
    pair = Pair(side, side)
    assert value_of(pair, "mae") == pytest.approx(reference.mean_absolute_error(targets, said))
    assert value_of(pair, "rmse") == pytest.approx(reference.root_mean_squared_error(targets, said))
    assert value_of(pair, "r2") == pytest.approx(reference.r2_score(targets, said))


def test_targets_that_are_all_alike_have_no_r2() -> None:
    side = Predictions(pairs.ids(3), "regression", (), np.ones(3), np.arange(3.0))
    assert compare_pairs(Pair(side, side), ["r2"]) == ()


@pytest.mark.parametrize("name", sorted(LABEL_METRICS))
def test_influences_on_labels_are_derivatives(name: str) -> None:
    random = np.random.default_rng(3)
    shares = random.random((4, 4))
    shares /= shares.sum()
    levels = np.array([0.0, 1.0, 2.0, 4.0])
    value, influence = LABEL_METRICS[name](shares, levels)
    step = 1e-6
    for target in range(4):
        for said in range(4):
            moved = shares * (1 - step)
            moved[target, said] += step
            slope = (LABEL_METRICS[name](moved, levels)[0] - value) / step
            assert slope == pytest.approx(influence[target, said], abs=1e-4)


def _of_metric(name: str, random: np.random.Generator, rows: np.ndarray) -> tuple[float, np.ndarray]:
    """A metric of a fixed sample, of which some rows are repeated."""
    n = 30
    positives = np.arange(n) % 3 == 0
    scores = (random.random(n) + 0.3 * positives).round(1)
    targets = random.normal(size=n)
    said = targets + random.normal(size=n)
    sets, named = random.random((2, n, 3)) < 0.5
    estimates = {
        "auroc": lambda: score_metrics.auroc(positives[rows], scores[rows]),
        "average_precision": lambda: score_metrics.average_precision(positives[rows], scores[rows]),
        "rmse": lambda: number_metrics.root_mean_squared_error(targets[rows], said[rows]),
        "r2": lambda: number_metrics.r_squared(targets[rows], said[rows]),
        "macro": lambda: set_metrics.macro_f1(sets[rows], named[rows]),
        "micro": lambda: set_metrics.micro_f1(sets[rows], named[rows]),
        "weighted": lambda: set_metrics.weighted_f1(sets[rows], named[rows]),
    }
    found = estimates[name]()
    return found.value, found.influence


@pytest.mark.parametrize("name", ["auroc", "average_precision", "rmse", "r2", "macro", "micro", "weighted"])
def test_influences_of_examples_are_derivatives(name: str) -> None:
    n, copies = 30, 2_000
    value, influence = _of_metric(name, np.random.default_rng(5), np.arange(n))
    assert influence.mean() == pytest.approx(0, abs=1e-9)
    for row in (0, 1, 2, 10, 29):
        # Every example 2,000 times, one of them once more.
        rows = np.append(np.repeat(np.arange(n), copies), row)
        moved, _ = _of_metric(name, np.random.default_rng(5), rows)
        assert (moved - value) * n * copies == pytest.approx(influence[row], abs=2e-2)
