"""Metrics of labels, which follow from how often each target got each prediction, and nothing else.

Shapes: K labels; `...` any number of confusion matrices at once. A confusion matrix is (..., K, K), rows are targets,
columns predictions, as shares of all examples. Every function gives values (...,) and influences (..., K, K): those of
an example of that target with that prediction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LabelMetric = Callable[["np.ndarray", "np.ndarray"], tuple["np.ndarray", "np.ndarray"]]


def accuracy(shares: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of examples that are right."""
    import numpy as np

    hit = np.eye(shares.shape[-1])
    value = (shares * hit).sum((-2, -1))
    return value, hit - value[..., None, None]


def balanced_accuracy(shares: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean recall of the labels that occur as targets."""
    import numpy as np

    of_target = shares.sum(-1)
    is_there = of_target > 0
    recalls = np.diagonal(shares, axis1=-2, axis2=-1) / np.where(is_there, of_target, 1)
    weights = is_there / np.maximum(is_there.sum(-1, keepdims=True), 1)
    value = (recalls * weights).sum(-1)
    gain = weights / np.where(is_there, of_target, 1)
    return value, gain[..., :, None] * (np.eye(shares.shape[-1]) - recalls[..., :, None])


def macro_f1(shares: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean F1 of the labels that occur as target or prediction."""
    import numpy as np

    f1, influence, is_there = _f1(shares)
    weights = is_there / np.maximum(is_there.sum(-1, keepdims=True), 1)
    return (f1 * weights).sum(-1), _combined(influence, weights)


def weighted_f1(shares: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean F1 of the labels, weighted by how often each is the target."""
    f1, influence, _ = _f1(shares)
    of_target = shares.sum(-1)
    value = (f1 * of_target).sum(-1)
    return value, _combined(influence, of_target) + (f1[..., :, None] - value[..., None, None])


def quadratic_weighted_kappa(shares: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cohen's kappa with quadratic weights between `levels` (K,); 1 where there is nothing to disagree on.

    Cohen 1968, https://doi.org/10.1037/h0026256.
    """
    import numpy as np

    weights = (levels[:, None] - levels[None, :]) ** 2.0
    of_target, of_prediction = shares.sum(-1), shares.sum(-2)
    observed = (shares * weights).sum((-2, -1))
    against_prediction = of_prediction @ weights.T
    against_target = of_target @ weights
    by_chance = (of_target * against_prediction).sum(-1)
    defined = by_chance > 0
    scale = np.where(defined, by_chance, 1)[..., None, None]
    o, e = observed[..., None, None], by_chance[..., None, None]
    of_chance = against_prediction[..., :, None] + against_target[..., None, :] - 2 * e
    influence = -(weights - o) / scale + o / scale**2 * of_chance
    value = np.where(defined, 1 - observed / np.where(defined, by_chance, 1), 1.0)
    return value, influence * defined[..., None, None]


def absolute_error(shares: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance between `levels` (K,) of target and prediction."""
    import numpy as np

    distance = np.abs(levels[:, None] - levels[None, :]).astype(float)
    value = (shares * distance).sum((-2, -1))
    return value, distance - value[..., None, None]


LABEL_METRICS: dict[str, LabelMetric] = {
    "accuracy": accuracy,
    "micro_f1": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "weighted_f1": weighted_f1,
    "qwk": quadratic_weighted_kappa,
    "mae": absolute_error,
}


def _f1(shares: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Each label's F1 (..., K), the parts of its influence, and whether it occurs."""
    import numpy as np

    named = shares.sum(-1) + shares.sum(-2)
    is_there = named > 0
    safe = np.where(is_there, named, 1)
    f1 = 2 * np.diagonal(shares, axis1=-2, axis2=-1) / safe
    return f1, (2 / safe, f1 / safe), is_there


def _combined(parts: tuple[np.ndarray, np.ndarray], weights: np.ndarray) -> np.ndarray:
    """The influence of a weighted sum of F1: a hit counts once as hit, and its label is named twice."""
    import numpy as np

    hit, named = parts[0] * weights, parts[1] * weights
    return np.eye(hit.shape[-1]) * hit[..., :, None] - named[..., :, None] - named[..., None, :]
