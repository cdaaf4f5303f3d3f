from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score

from tasks.common.evaluation.segmentation import best_threshold, dice, iou, overlap_counts

masks = arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 1))


@given(masks, masks)
def test_dice_and_iou_are_scikit_learn_s_f1_and_jaccard(actual, predicted):
    counts = overlap_counts(actual, predicted)
    flat = actual.ravel(), predicted.ravel()
    assert dice(*counts) == pytest.approx(f1_score(*flat, zero_division=1.0))
    assert iou(*counts) == pytest.approx(jaccard_score(*flat, zero_division=0.0) if counts[1] + counts[2] else 1.0)


def test_empty_against_empty_is_perfect_and_against_anything_else_is_nothing():
    empty, full = np.zeros((2, 2)), np.ones((2, 2))
    assert dice(*overlap_counts(empty, empty)) == iou(*overlap_counts(empty, empty)) == 1
    for pair in ((empty, full), (full, empty)):
        assert dice(*overlap_counts(*pair)) == iou(*overlap_counts(*pair)) == 0


def test_the_counts_say_which_mask_is_which():
    assert overlap_counts(np.array([1, 1, 1, 0, 0]), np.array([0, 1, 0, 0, 2])) == (1, 2, 3)


@given(
    arrays(np.int64, 12, elements=st.integers(0, 20)).filter(lambda counts: counts.any()),
    arrays(np.int64, 12, elements=st.integers(0, 20)),
)
def test_no_other_threshold_is_better(inside, outside):
    levels = np.repeat(np.arange(12), inside), np.repeat(np.arange(12), outside)
    truth = np.concatenate([np.ones(len(levels[0])), np.zeros(len(levels[1]))])
    brightness = np.concatenate(levels)

    def score(level: int, above: bool) -> float:
        return dice(*overlap_counts(truth, brightness >= level if above else brightness < level))

    best = max(score(level, above) for level in range(13) for above in (True, False))
    assert score(*best_threshold(inside, outside)) == pytest.approx(best)
