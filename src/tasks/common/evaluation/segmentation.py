"""How well a mask covers what it should cover. Arrays of any shape; empty against empty is a perfect 1.

With an empty target, a prediction of any size scores 0: such images count, and do not divide by zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def dice(hit: int, predicted: int, actual: int) -> float:
    """2 |A and B| / (|A| + |B|) from counts of voxels: in both masks, in the predicted one, in the actual one."""
    return 2 * hit / (predicted + actual) if predicted + actual else 1.0


def iou(hit: int, predicted: int, actual: int) -> float:
    """|A and B| / |A or B| from the same counts, also called Jaccard's index."""
    either = predicted + actual - hit
    return hit / either if either else 1.0


def overlap_counts(actual: np.ndarray, predicted: np.ndarray) -> tuple[int, int, int]:
    """Of two masks of one shape, the voxels in both, in the predicted one, and in the actual one."""
    actual, predicted = actual > 0, predicted > 0
    return int((actual & predicted).sum()), int(predicted.sum()), int(actual.sum())


def best_threshold(inside: np.ndarray, outside: np.ndarray) -> tuple[int, bool]:
    """The level that tells inside from outside best by Dice, and whether inside is what lies at or above it.

    inside, outside: (L,) counts of voxels at each level of brightness. Otherwise inside is what lies below the level.
    """
    import numpy as np

    n_inside = inside.sum()
    best = (-1.0, 0, True)
    for above in (True, False):
        # Level l divides l levels below from L - l at or above it.
        below_in, below_out = np.concatenate([[0], inside.cumsum()]), np.concatenate([[0], outside.cumsum()])
        hit, added = (n_inside - below_in, outside.sum() - below_out) if above else (below_in, below_out)
        scores = 2 * hit / np.maximum(hit + added + n_inside, 1)
        level = int(scores.argmax())
        best = max(best, (float(scores[level]), level, above), key=lambda entry: entry[0])
    return best[1], best[2]
