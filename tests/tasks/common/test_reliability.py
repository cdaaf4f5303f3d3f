from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from tasks.common.evaluation.metrics import calibration_error
from tasks.common.evaluation.reliability import reliability_bins, reliability_picture


def example(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(k, size=n), rng.dirichlet(np.ones(k), size=n)


@given(st.integers(0, 10_000), st.integers(1, 200), st.integers(2, 5), st.integers(2, 30))
def test_the_bins_are_those_of_scikit_learn_and_of_the_calibration_error(seed, n, k, bins):
    targets, scores = example(seed, n, k)
    found = reliability_bins(targets, scores, bins)
    accuracy, confidence = calibration_curve(
        (scores.argmax(axis=1) == targets).astype(int), scores.max(axis=1), n_bins=bins
    )
    assert [one.accuracy for one in found] == pytest.approx(accuracy.tolist())
    assert [one.confidence for one in found] == pytest.approx(confidence.tolist())
    assert sum(one.examples for one in found) == n
    error = sum(one.examples * abs(one.accuracy - one.confidence) for one in found) / n
    assert error == pytest.approx(calibration_error(targets, scores, bins))


def test_certainty_is_in_the_last_bin():
    (only,) = reliability_bins(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]), 10)
    assert (only.lower, only.upper, only.examples, only.accuracy, only.confidence) == (0.9, 1.0, 2, 0.5, 1.0)


def test_the_picture_shows_the_distance_from_the_diagonal_and_is_the_same_each_time():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 2000)
    scores = np.column_stack([confidence, 1 - confidence])
    calibrated = (rng.random(2000) > confidence).astype(int)
    wrong = np.ones(2000, dtype=int)

    def red(targets: np.ndarray) -> int:
        pixels = np.asarray(reliability_picture(targets, scores, 10)).astype(int)
        return int(((pixels[..., 0] > 150) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)).sum())

    assert red(wrong) > 10 * red(calibrated)
    assert reliability_picture(wrong, scores, 10).tobytes() == reliability_picture(wrong, scores, 10).tobytes()
