"""Bins of confidence, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from pawl.compare.examples.reliability import reliability
from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import Predictions
from tests.compare.examples.pairs import ids, one_label, several_labels


def scored(seed: int, count: int, n_labels: int) -> Predictions:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(n_labels), count)
    targets = np.random.default_rng(count).integers(0, n_labels, count)
    labels = tuple("abcdef"[:n_labels])
    return Predictions(ids(count), "classification", labels, targets, scores.argmax(axis=1), scores)


@given(st.integers(0, 9_999), st.integers(1, 200), st.integers(2, 6), st.integers(1, 50))
def test_the_bins_are_those_of_scikit_learn(seed: int, count: int, n_labels: int, bins: int) -> None:
    pair = Pair(scored(seed, count, n_labels), scored(seed + 1, count, n_labels))
    found = reliability(pair, bins)
    assert found is not None
    for side, ours in ((pair.base, found.base), (pair.head, found.head)):
        assert side.scores is not None
        right = (side.scores.argmax(axis=1) == side.targets).astype(int)
        share, confidence = calibration_curve(right, side.scores.max(axis=1), n_bins=bins)
        assert [one.share_right for one in ours] == pytest.approx(share.tolist())
        assert [one.confidence for one in ours] == pytest.approx(confidence.tolist())
        assert sum(one.examples for one in ours) == count


def test_certainty_is_in_the_last_bin() -> None:
    found = reliability(one_label(["a", "b"], ["a", "a"], ["a", "b"], ([1, 1], [1, 0.95])))
    assert found is not None
    assert [(one.confidence, one.share_right, one.examples) for one in found.base] == [(1.0, 0.5, 2)]
    assert [one.examples for one in found.head] == [2]


def test_there_is_none_without_scores_or_with_several_labels() -> None:
    assert reliability(one_label(["a", "b"], ["a", "a"], ["a", "b"])) is None
    assert reliability(several_labels([[1, 0]], [[1, 0]], [[1, 1]], ([[0.9, 0.1]], [[0.9, 0.6]]))) is None
