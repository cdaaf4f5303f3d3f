"""From how likely a genre is to whether it is named: one threshold a genre.

Shapes: N posters, K labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def choose_thresholds(targets: np.ndarray, scores: np.ndarray) -> list[float]:
    """For each label the threshold of the highest F1: booleans (N, K), probabilities (N, K) to K of 0 to 1.

    Candidates lie half way between neighbouring scores; among equals the one nearest to 0.5 is taken. A label that no
    poster has gets 0.5.
    """
    return [_choose(targets[:, k], scores[:, k]) for k in range(targets.shape[1])]


def decide(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(N, K) booleans: which probabilities (N, K) reach their label's threshold (K,)."""
    named: np.ndarray = scores >= thresholds
    return named


def _choose(targets: np.ndarray, scores: np.ndarray) -> float:
    import numpy as np

    if not targets.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    ends = np.append(np.flatnonzero(np.diff(descending)), len(order) - 1)
    hits = np.cumsum(targets[order])[ends]
    f1 = 2 * hits / (ends + 1 + targets.sum())
    below = np.append(descending[ends[:-1] + 1], 0.0)
    candidates = (descending[ends] + below) / 2
    best = np.flatnonzero(f1 == f1.max())
    return float(candidates[best[np.argmin(np.abs(candidates[best] - 0.5))]])
