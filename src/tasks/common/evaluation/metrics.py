"""Metrics of a classifier from its scores on the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def classification_metrics(
    targets: np.ndarray, scores: np.ndarray, majority_label: int, calibration_bins: int
) -> dict[str, float | int]:
    """The metrics of `results/<task>/metrics.json`, as plain numbers.

    targets: (N,) label numbers. scores: (N, K) probabilities. majority_label: the commonest label of the training
    split, whose accuracy here is what a model has to beat. `roc_auc` only where K is 2.
    """
    predictions = scores.argmax(axis=1)
    metrics: dict[str, float | int] = {
        "accuracy": float((predictions == targets).mean()),
        "macro_f1": macro_f1(targets, predictions, scores.shape[1]),
        "log_loss": log_loss(targets, scores),
        "calibration_error": calibration_error(targets, scores, calibration_bins),
    }
    if scores.shape[1] == 2:
        metrics["roc_auc"] = roc_auc(targets == 1, scores[:, 1])
    metrics["majority_baseline_accuracy"] = float((targets == majority_label).mean())
    metrics["examples"] = len(targets)
    return metrics


def macro_f1(targets: np.ndarray, predictions: np.ndarray, n_labels: int) -> float:
    """The mean of each label's F1 over the labels that occur as target or prediction: (N,), (N,) to 0..1."""
    f1_of_labels = []
    for label in range(n_labels):
        hits = int(((targets == label) & (predictions == label)).sum())
        named = int((targets == label).sum() + (predictions == label).sum())
        if named:
            f1_of_labels.append(2 * hits / named)
    return sum(f1_of_labels) / len(f1_of_labels)


def log_loss(targets: np.ndarray, scores: np.ndarray) -> float:
    """Mean of -ln of the target's probability: (N,), (N, K) to nats.

    A probability below the distance from 1 to the next number counts as that distance, or one 0 would make it infinite.
    """
    import numpy as np

    chosen = scores[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, np.finfo(np.float64).eps)).mean())


def calibration_error(targets: np.ndarray, scores: np.ndarray, bins: int) -> float:
    """Expected calibration error: |accuracy - confidence| in bins of equal width, weighted by examples.

    (N,), (N, K) to 0..1. Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    import numpy as np

    confidence = scores.max(axis=1)
    correct = scores.argmax(axis=1) == targets
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for number in range(bins):
        inside = bin_of == number
        if inside.any():
            gap += abs(float(correct[inside].mean()) - float(confidence[inside].mean())) * float(inside.mean())
    return gap


def roc_auc(positives: np.ndarray, scores: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties half: booleans (N,), scores (N,) to 0..1."""
    import numpy as np
    from scipy.stats import rankdata

    n_positive = int(positives.sum())
    n_negative = len(positives) - n_positive
    rank_sum = float(np.asarray(rankdata(scores))[positives].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)
