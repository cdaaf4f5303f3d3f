"""Metrics of examples that have any number of labels each.

Shapes: N examples, K labels. Binary accuracy is not among the metrics: predicting nothing at all scores 0.9 where
labels are rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def multilabel_metrics(
    targets: np.ndarray, scores: np.ndarray, predictions: np.ndarray, labels: Sequence[str]
) -> dict[str, float | int]:
    """The metrics of `results/<task>/metrics.json`, as plain numbers.

    targets, predictions: (N, K) booleans. scores: (N, K) probabilities. `chance_mean_average_precision` is what scores
    without information come to: the mean frequency of the labels.
    """
    precisions = average_precisions(targets, scores)
    metrics: dict[str, float | int] = {
        "mean_average_precision": float(precisions.mean()),
        "macro_f1": float(f1_of_labels(targets, predictions).mean()),
        "micro_f1": micro_f1(targets, predictions),
        "subset_accuracy": float((targets == predictions).all(axis=1).mean()),
        "log_loss": log_loss(targets, scores),
        "chance_mean_average_precision": float(targets.mean()),
        "examples": len(targets),
    }
    return metrics | {f"average_precision.{label}": float(precisions[k]) for k, label in enumerate(labels)}


def average_precisions(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Each label's average precision: booleans (N, K), scores (N, K) to (K,) from 0 to 1.

    The sum over thresholds of precision times what recall gains there, nothing interpolated; equal scores are one
    threshold. 0 for a label that no example has.
    """
    import numpy as np

    return np.array([_average_precision(targets[:, k], scores[:, k]) for k in range(targets.shape[1])])


def _average_precision(targets: np.ndarray, scores: np.ndarray) -> float:
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(targets[order])
    if not len(hits) or not hits[-1]:
        return 0.0
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    gained = np.diff(hits[ends], prepend=0)
    return float((hits[ends] / (ends + 1) * gained).sum() / hits[-1])


def f1_of_labels(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Each label's F1: booleans (N, K), (N, K) to (K,); 0 for a label that is neither there nor predicted."""
    import numpy as np

    named = targets.sum(axis=0) + predictions.sum(axis=0)
    return 2 * (targets & predictions).sum(axis=0) / np.maximum(named, 1)


def micro_f1(targets: np.ndarray, predictions: np.ndarray) -> float:
    """F1 over all pairs of example and label: booleans (N, K), (N, K) to 0..1; 0 where there are none."""
    named = int(targets.sum() + predictions.sum())
    return 2 * int((targets & predictions).sum()) / named if named else 0.0


def log_loss(targets: np.ndarray, scores: np.ndarray) -> float:
    """Mean of -ln of what was given to the truth of each pair of example and label: (N, K), (N, K) to nats.

    A probability below the distance from 1 to the next number counts as that distance, or one 0 would make it infinite.
    """
    import numpy as np

    given = np.where(targets, scores, 1 - scores)
    return float(-np.log(np.maximum(given, np.finfo(np.float64).eps)).mean())


def confusion_pairs(targets: np.ndarray, predictions: np.ndarray, labels: Sequence[str]) -> list[tuple[str, str]]:
    """Rows (actual, predicted) of confusion.csv: a hit as (label, label), and each error against no label at all.

    Which label an example without "Drama" was given in its place has no answer where examples have several labels.
    """
    pairs = []
    for target, prediction in zip(targets, predictions, strict=True):
        for label, is_there, is_named in zip(labels, target, prediction, strict=True):
            if is_there or is_named:
                pairs.append((label if is_there else "(none)", label if is_named else "(missed)"))
    return pairs
