"""What is minimised, and what is measured of each epoch.

Shapes: B posters of a batch, N of a split, K labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tasks.common.learning.measures import Measure

if TYPE_CHECKING:
    import numpy as np
    from tensorflow import Tensor


def balancing_weights(targets: np.ndarray) -> np.ndarray:
    """(K,) float32: how many posters (N, K) lack a label for each that has it, at most 100."""
    import numpy as np

    positive = targets.sum(axis=0)
    return np.clip((len(targets) - positive) / np.maximum(positive, 1), 0.01, 100).astype(np.float32)


def sigmoid_cross_entropy(positive_weights: np.ndarray | None) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss of targets and logits (B, K): mean binary cross-entropy, where a label is there times its weight (K,)."""
    import tensorflow as tf

    weights = None if positive_weights is None else tf.constant(positive_weights, tf.float32)

    def loss(targets: Tensor, logits: Tensor) -> Tensor:
        if weights is None:
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        else:
            entropy = tf.nn.weighted_cross_entropy_with_logits(targets, logits, weights)
        return tf.reduce_mean(entropy)

    return loss


def genre_measure() -> Measure:
    """`micro_f1` and `subset_accuracy` (the share of posters with all genres right) at a probability of 0.5."""
    import numpy as np

    def summarise(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        is_there, is_named = targets > 0, logits > 0
        hits = (is_there & is_named).sum(axis=1)
        named = is_there.sum(axis=1) + is_named.sum(axis=1)
        return np.column_stack([hits, named, (is_there == is_named).all(axis=1)]).astype(np.float64)

    def measure(rows: np.ndarray) -> dict[str, float]:
        hits, named, right = rows.sum(axis=0)
        return {"micro_f1": float(2 * hits / max(named, 1)), "subset_accuracy": float(right / len(rows))}

    return Measure(summarise, measure)
