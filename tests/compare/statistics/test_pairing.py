"""Which predictions can be compared, and in which order they are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.compare.statistics.differences import compare_pairs
from pawl.compare.statistics.pairing import pair_predictions
from pawl.compare.statistics.predictions import Predictions
from tests.compare.statistics import pairs


@given(st.permutations(range(12)))
@settings(max_examples=15, deadline=None)
def test_rows_are_brought_into_one_order(order: list[int]) -> None:
    pair = pairs.scored(np.random.default_rng(0), 12, 3)
    found = pair_predictions(pair.base, pair.head.take(np.array(order)))
    assert found.pair is not None
    assert (found.paired, found.base_only, found.head_only, found.other_targets, found.problem) == (12, 0, 0, 0, "")
    assert list(found.pair.base.ids) == list(found.pair.head.ids) == [f"e{place}" for place in order]
    np.testing.assert_array_equal(found.pair.base.scores, pair.base.scores[order])
    for one, other in zip(compare_pairs(found.pair, resamples=9), compare_pairs(pair, resamples=9), strict=True):
        assert one.difference == pytest.approx(other.difference)


def test_another_test_set_is_not_compared() -> None:
    pair = pairs.scored(np.random.default_rng(0), 12, 3)
    found = pair_predictions(pair.base.take(np.arange(10)), pair.head.take(np.arange(1, 12)))
    assert (found.pair, found.cause) == (None, "other ids")
    assert (found.paired, found.base_only, found.head_only) == (9, 1, 2)
    assert "base alone has 1 examples, head alone 2, both have 9" in found.problem
    apart = pair_predictions(pair.base.take(np.arange(5)), pair.head.take(np.arange(5, 12)))
    assert (apart.cause, apart.paired) == ("other ids", 0)


def test_other_targets_are_counted() -> None:
    pair = pairs.scored(np.random.default_rng(0), 12, 3)
    targets = pair.head.targets.copy()
    targets[:2] = (targets[:2] + 1) % 3
    found = pair_predictions(pair.base, dataclasses.replace(pair.head, targets=targets))
    assert (found.pair, found.cause, found.other_targets) == (None, "other targets", 2)
    assert found.problem == "2 of 12 test examples have another target on head than on base."


def test_targets_in_single_precision_are_the_same() -> None:
    targets = np.array([0.1, 1e6, -3.3])
    base = Predictions(pairs.ids(3), "regression", (), targets, targets)
    single = dataclasses.replace(base, targets=targets.astype(np.float32).astype(float))
    assert pair_predictions(base, single).pair is not None
    moved = dataclasses.replace(base, targets=targets * [1, 1, 1.001])
    assert pair_predictions(base, moved).other_targets == 1


def test_a_label_that_one_side_does_not_know_scores_nothing_there() -> None:
    base = Predictions(
        pairs.ids(3),
        "classification",
        ("a", "c"),
        np.array([0, 1, 1]),
        np.array([0, 0, 1]),
        np.array([[1, 0], [1, 0], [0, 1.0]]),
    )
    head = Predictions(
        pairs.ids(3),
        "classification",
        ("a", "b", "c"),
        np.array([0, 2, 2]),
        np.array([1, 2, 2]),
        np.full((3, 3), 1 / 3),
    )
    found = pair_predictions(base, head).pair
    assert found is not None
    assert found.base.labels == found.head.labels == ("a", "b", "c")
    assert found.base.predictions.tolist() == [0, 0, 2]
    assert found.base.scores.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert compare_pairs(found, ["accuracy"])[0].difference == 0


def test_sets_of_labels_are_spread_over_all_labels() -> None:
    base = Predictions(
        pairs.ids(2), "multi-label", ("a", "c"), np.array([[1, 1], [0, 1]], bool), np.zeros((2, 2), bool)
    )
    wide = np.array([[1, 0, 1], [0, 0, 1]], bool)
    found = pair_predictions(base, Predictions(pairs.ids(2), "multi-label", ("a", "b", "c"), wide, wide)).pair
    assert found is not None
    np.testing.assert_array_equal(found.base.targets, wide)


def test_other_kinds_of_predictions_are_not_compared() -> None:
    values = pairs.values([1.0, 2.0], [1.0, 2.0]).base
    found = pair_predictions(values, Predictions(pairs.ids(2), "regression", (), np.ones(2), np.ones(2)))
    assert (found.pair, found.cause, found.paired) == (None, "nothing to pair", 2)
    assert found.problem == "Base's predictions are of the kind values, head's of the kind regression."
