"""Metrics of sets of labels: targets and predictions are booleans (N, K)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.compare.statistics.estimate import Estimate, mean

if TYPE_CHECKING:
    import numpy as np


def exact_match(targets: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Share of examples of which the whole set is right."""
    return mean((targets == predictions).all(axis=1).astype(float))


def macro_f1(targets: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Mean F1 of the labels; 0 for one that is neither there nor predicted."""
    import numpy as np

    return _weighted(targets, predictions, np.full(targets.shape[1], 1 / targets.shape[1]))


def weighted_f1(targets: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Mean F1 of the labels, weighted by how often each is there."""
    support = targets.sum(axis=0)
    total = support.sum()
    if not total:
        return mean(0.0 * targets[:, 0])
    of_labels = _weighted(targets, predictions, support / total)
    f1 = _f1(targets, predictions)[0]
    moved = (targets * (f1 - of_labels.value)).sum(axis=1) * (len(targets) / total)
    return Estimate(of_labels.value, of_labels.influence + moved)


def micro_f1(targets: np.ndarray, predictions: np.ndarray) -> Estimate:
    """F1 over all pairs of example and label; 0 where there are none."""
    import numpy as np

    hits, named = (targets & predictions).sum(axis=1), targets.sum(axis=1) + predictions.sum(axis=1)
    per_example = named.mean()
    if not per_example:
        return mean(np.zeros(len(targets)))
    value = float(2 * hits.mean() / per_example)
    return Estimate(value, (2 * hits - value * named) / per_example)


def _weighted(targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> Estimate:
    f1, named = _f1(targets, predictions)
    gain = weights / named * len(targets)
    influence = (targets & predictions) @ (2 * gain) - targets @ (f1 * gain) - predictions @ (f1 * gain)
    return Estimate(float(f1 @ weights), influence)


def _f1(targets: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each label's F1 (K,), and how often it is named on either side, at least 1."""
    import numpy as np

    named = np.maximum(targets.sum(axis=0) + predictions.sum(axis=0), 1)
    return 2 * (targets & predictions).sum(axis=0) / named, named
