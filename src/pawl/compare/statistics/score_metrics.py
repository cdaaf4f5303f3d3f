"""Metrics of scores: how well they rank, and how far they can be believed.

Shapes: N examples, K labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.compare.statistics.estimate import Estimate, mean

if TYPE_CHECKING:
    import numpy as np

CALIBRATION_BINS = 10


def auroc(positives: np.ndarray, scores: np.ndarray) -> Estimate:
    """Chance that a positive scores above a negative, ties half: booleans (N,), scores (N,).

    The influence of an example is its placement among those of the other class, so the variance is that of DeLong,
    DeLong and Clarke-Pearson 1988, https://doi.org/10.2307/2531595. There must be positives and negatives.
    """
    import numpy as np

    order = np.argsort(scores, kind="stable")
    sorted_positives = positives[order]
    starts, sizes = _ties(scores[order])
    positives_in = np.add.reduceat(sorted_positives, starts, dtype=np.float64)
    negatives_in = sizes - positives_in
    n_positive = float(positives_in.sum())
    n_negative = len(scores) - n_positive
    of_positive = (np.cumsum(negatives_in) - negatives_in / 2) / n_negative
    of_negative = 1 - (np.cumsum(positives_in) - positives_in / 2) / n_positive
    value = float((of_positive * positives_in).sum() / n_positive)
    placements = np.where(sorted_positives, np.repeat(of_positive, sizes), np.repeat(of_negative, sizes))
    shares = np.where(sorted_positives, n_positive, n_negative) / len(scores)
    influence = np.empty(len(scores))
    influence[order] = (placements - value) / shares
    return Estimate(value, influence)


def average_precision(positives: np.ndarray, scores: np.ndarray) -> Estimate:
    """Sum over thresholds of precision times what recall gains there: booleans (N,), scores (N,).

    Nothing is interpolated, and equal scores are one threshold. 0 where nothing is positive.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    sorted_positives = positives[order]
    starts, sizes = _ties(scores[order])
    positives_in = np.add.reduceat(sorted_positives, starts, dtype=np.float64)
    n_positive = float(positives_in.sum())
    if not n_positive:
        return Estimate(0.0, np.zeros(len(scores)))
    named = np.cumsum(sizes).astype(np.float64)
    precision = np.cumsum(positives_in) / named
    value = float((precision * positives_in).sum() / n_positive)
    # An example counts at every threshold at or below its own score, where it is named.
    per_named = positives_in / named
    of_positive = np.cumsum((per_named * (1 - precision))[::-1])[::-1]
    of_negative = np.cumsum((per_named * -precision)[::-1])[::-1]
    moved = np.where(sorted_positives, np.repeat(precision - value + of_positive, sizes), np.repeat(of_negative, sizes))
    influence = np.empty(len(scores))
    influence[order] = moved * (len(scores) / n_positive)
    return Estimate(value, influence)


def log_loss(targets: np.ndarray, scores: np.ndarray) -> Estimate:
    """Mean of -ln of what the truth was given, in nats: places (N,) or booleans (N, K), scores (N, K).

    A probability below the distance from 1 to the next number counts as that distance, or one 0 would be infinite.
    """
    import numpy as np

    if targets.ndim == 2:
        given = np.where(targets, scores, 1 - scores)
        return mean(-np.log(np.maximum(given, np.finfo(np.float64).eps)).mean(axis=1))
    given = scores[np.arange(len(targets)), targets]
    return mean(-np.log(np.maximum(given, np.finfo(np.float64).eps)))


def brier(targets: np.ndarray, scores: np.ndarray) -> Estimate:
    """Mean squared distance of scores (N, K) from the truth, places (N,) or booleans (N, K).

    Of two classes that of the second one; of more the sum over the classes; of sets of labels the mean over labels.
    Brier 1950.
    """
    import numpy as np

    if targets.ndim == 2:
        return mean(((scores - targets) ** 2).mean(axis=1))
    if scores.shape[1] == 2:
        return mean((scores[:, 1] - targets) ** 2)
    given = scores[np.arange(len(targets)), targets]
    return mean(np.einsum("nk,nk->n", scores, scores) - 2 * given + 1)


def confidence_gaps(targets: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of places (N,), scores (N, K) the bin of each example's highest score, and whether it is right less that score.

    The calibration error is the sum over 10 bins of equal width of the absolute value of each bin's share of the mean
    gap. Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    import numpy as np

    confidence = scores.max(axis=1)
    gap = (scores.argmax(axis=1) == targets) - confidence
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1), gap


def _ties(sorted_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of equal scores begin, and how long they are."""
    import numpy as np

    starts = np.concatenate(([0], np.flatnonzero(np.diff(sorted_scores)) + 1))
    return starts, np.diff(starts, append=len(sorted_scores))
