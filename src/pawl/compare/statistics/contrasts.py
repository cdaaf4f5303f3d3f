"""Every metric of both sides, and how much more each example moves head's than base's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.compare.statistics import number_metrics, score_metrics, set_metrics
from pawl.compare.statistics.estimate import Estimate, mean
from pawl.compare.statistics.intervals import of_classes
from pawl.compare.statistics.pairing import Pair

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Contrast:
    """A metric of N examples on both sides."""

    base: float
    head: float
    influence: np.ndarray
    """(N,) of head less that of base."""
    flip: float
    """Mean square of what one example moves when its prediction becomes another: for where none did."""
    missing_variance: float = 0.0
    """What the influences do not show, because classes have few examples."""
    degrees_of_freedom: float = math.inf
    """At most, for the same reason."""


def contrast_of(pair: Pair, name: str) -> Contrast | None:
    """The contrast of a metric other than one of single labels; None where the predictions do not give it."""
    base, head = pair.base, pair.head
    if name in base.values and name in head.values:
        return _plain(mean(base.values[name]), mean(head.values[name]))
    kind = base.kind
    if kind == "regression" and name in _OF_NUMBERS:
        return _of_numbers(pair, name)
    if kind == "multi-label" and name in _OF_SETS:
        metric = _OF_SETS[name]
        assert base.targets is not None
        return _plain(metric(base.targets, base.predictions), metric(head.targets, head.predictions))
    if base.scores is None or head.scores is None:
        return None
    if name in _OF_SCORES:
        score_metric = _OF_SCORES[name]
        return _plain(score_metric(base.targets, base.scores), score_metric(head.targets, head.scores))
    if name in _OF_RANKS:
        return _of_ranks(pair, name)
    return None


_OF_SCORES: dict[str, Callable[..., Estimate]] = {
    "log_loss": score_metrics.log_loss,
    "brier": score_metrics.brier,
}
_OF_RANKS = ("auroc", "average_precision", "mean_average_precision")
_OF_NUMBERS: dict[str, Callable[..., Estimate]] = {
    "mae": number_metrics.mean_absolute_error,
    "rmse": number_metrics.root_mean_squared_error,
    "r2": number_metrics.r_squared,
}
_OF_SETS: dict[str, Callable[..., Estimate]] = {
    "accuracy": set_metrics.exact_match,
    "macro_f1": set_metrics.macro_f1,
    "micro_f1": set_metrics.micro_f1,
    "weighted_f1": set_metrics.weighted_f1,
}


def _plain(base: Estimate, head: Estimate) -> Contrast:
    flip = float((base.influence**2).mean() + (head.influence**2).mean())
    return Contrast(base.value, head.value, head.influence - base.influence, flip)


def _of_numbers(pair: Pair, name: str) -> Contrast | None:
    targets = pair.base.targets
    assert targets is not None
    if name == "r2" and targets.min() == targets.max():
        return None
    metric = _OF_NUMBERS[name]
    return _plain(metric(targets, pair.base.predictions), metric(targets, pair.head.predictions))


def _of_ranks(pair: Pair, name: str) -> Contrast | None:
    """The mean over labels of a metric that asks whether each label's examples are ranked above the others."""
    import numpy as np

    base, head = pair.base, pair.head
    assert base.targets is not None
    assert base.scores is not None
    assert head.scores is not None
    n_labels = len(base.labels)
    is_binary = base.kind == "classification" and n_labels == 2
    if name == ("mean_average_precision" if is_binary else "average_precision"):
        return None
    total = np.zeros(len(pair))
    values, parts = [], []
    metric = score_metrics.auroc if name == "auroc" else score_metrics.average_precision
    for label in [1] if is_binary else range(n_labels):
        positives = base.targets[:, label] if base.targets.ndim == 2 else base.targets == label
        n_positive = int(positives.sum())
        if name == "auroc" and not 0 < n_positive < len(positives):
            continue
        sides = [metric(positives, scores[:, label]) for scores in (base.scores, head.scores)]
        moved = sides[1].influence - sides[0].influence
        total += moved
        values.append((sides[0].value, sides[1].value))
        if n_positive:
            fewer = min(n_positive, len(positives) - n_positive) if name == "auroc" else n_positive
            parts.append((fewer, float((moved**2).sum()) / len(positives) ** 2))
    if not values:
        return None
    count = len(values)
    shares = base.targets.mean(axis=0) if base.targets.ndim == 2 else np.bincount(base.targets) / len(base.targets)
    shares = np.clip(shares[shares > 0], 1 / len(total), 1 - 1 / len(total))
    # One positive of a perfect ranking that falls to any rank, and one negative that rises to any.
    flip = float((1 / shares + 1 / (1 - shares)).mean()) / 3 / count if len(shares) else 0.0
    sums = np.array(values).sum(axis=0) / count
    rare = of_classes(parts)
    # A precision rests on few examples where a class has few; placements among all the others do not.
    freedom = rare.degrees_of_freedom if name == "mean_average_precision" else math.inf
    return Contrast(float(sums[0]), float(sums[1]), total / count, flip, rare.missing_variance / count**2, freedom)
