"""How often each side is right when it is how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pawl.compare.statistics.pairing import Pair
from pawl.schema import Reliability, ReliabilityBin

if TYPE_CHECKING:
    import numpy as np


def reliability(pair: Pair, bins: int = 10) -> Reliability | None:
    """Both sides' examples in at most 50 bins of equal width by their highest score; empty bins are left out.

    None where there are no scores, or several labels an example. Right is an example whose highest score is its
    target's, so that the mean of |share right - confidence|, weighted by examples, is the calibration error.
    DeGroot and Fienberg 1983, https://doi.org/10.2307/2987588.
    """
    base, head = pair.base, pair.head
    if head.kind != "classification" or base.scores is None or head.scores is None:
        return None
    assert base.targets is not None
    assert head.targets is not None
    return Reliability(base=_bins(base.targets, base.scores, bins), head=_bins(head.targets, head.scores, bins))


def _bins(targets: np.ndarray, scores: np.ndarray, bins: int) -> tuple[ReliabilityBin, ...]:
    import numpy as np

    confidence = scores.max(axis=1)
    is_right = scores.argmax(axis=1) == targets
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    examples, right, sure = (np.bincount(bin_of, weights, bins) for weights in (None, is_right, confidence))
    return tuple(
        ReliabilityBin(
            confidence=float(sure[k] / examples[k]),
            share_right=float(right[k] / examples[k]),
            examples=int(examples[k]),
        )
        for k in np.flatnonzero(examples)
    )
