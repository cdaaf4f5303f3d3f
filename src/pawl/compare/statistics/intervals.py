"""From how examples move a difference to how far chance moves it: variance, degrees of freedom, interval, p-value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Z_95 = 1.959963984540054
_PRIOR_EXAMPLES = 2.0
"""How many examples the spread that classes usually have counts for in a class that has few of its own."""
_MAX_WEIGHT = 10
_LEAST_FREEDOM = 2.0
_SKEW_COST = 0.89
"""How fast a skewed influence uses up degrees of freedom: Hall's Edgeworth term of the two-sided t interval at 95 %,
(z^4 + 2 z^2 - 3) / 18, by the one of the t distribution, (z^2 + 1) / 4. Hall 1988, doi:10.1214/aos/1176350933."""


@dataclass(frozen=True)
class Spread:
    """How far chance moves a difference, from N examples or G groups."""

    variance: float
    plain_variance: float
    """Without the corrections for few examples."""
    degrees_of_freedom: float


@dataclass(frozen=True)
class Interval:
    """What `differences.Difference` says under these names."""

    standard_error: float
    degrees_of_freedom: float
    lower: float
    upper: float
    p_value: float
    detectable: float


def spread_of(influence: np.ndarray, counts: np.ndarray | None = None, groups: np.ndarray | None = None) -> Spread:
    """The spread of a difference whose examples move it by `influence` (M,), mean 0.

    counts: (M,) how many examples each stands for. groups: (M,) numbers from 0, of examples that are not independent.
    There must be two examples or groups. Groups of other sizes pull the estimate towards themselves, which is corrected
    as by Bell and McCaffrey 2002 (CR2).
    """
    import numpy as np

    if groups is None:
        sums, sizes = influence, np.ones(len(influence))
        repeats = sizes if counts is None else counts.astype(np.float64)
    else:
        members = np.bincount(groups)
        sums = np.bincount(groups, weights=influence)[members > 0]
        sizes = members[members > 0].astype(np.float64)
        repeats = np.ones(len(sums))
    examples, units = float((sizes * repeats).sum()), float(repeats.sum())
    plain = float((repeats * sums**2).sum()) / examples**2
    sums = sums / np.sqrt(1 - sizes / examples)
    squares = float((repeats * sums**2).sum())
    skew = float((repeats * sums**3).sum()) ** 2 / squares**3 if squares else 0.0
    freedom = 1 / (1 / (units - 1) + _SKEW_COST * skew)
    return Spread(squares / examples**2, plain, max(freedom, min(units - 1, _LEAST_FREEDOM)))


@dataclass(frozen=True)
class OfClasses:
    """What a sum over classes, some of them rare, does not show of its own spread."""

    missing_variance: float
    degrees_of_freedom: float
    """Of the variance as a whole."""


def of_classes(parts: Sequence[tuple[int, float]]) -> OfClasses:
    """What is missing, where each class has these examples, and this variance of its own part as they show it.

    Of one example the variance is nothing and of two hardly half, so it is drawn towards what the rarer half of the
    classes have by example. Common classes say little of rare ones: models mostly agree on them.
    """
    by_example = sorted((count, variance * count**2 / (count - 1)) for count, variance in parts if count > 1)
    if not by_example:
        return OfClasses(0.0, math.inf)
    rarer = by_example[: (len(by_example) + 1) // 2]
    weights = [min(count - 1, _MAX_WEIGHT) for count, _ in rarer]
    usual = sum(weight * each for weight, (_, each) in zip(weights, rarer, strict=True)) / sum(weights)
    missing = total = uncertain = 0.0
    for count, variance in parts:
        freedom = count - 1 + _PRIOR_EXAMPLES
        expected = max(variance, (variance * count**2 + _PRIOR_EXAMPLES * usual) / freedom / count)
        missing += expected - variance
        total += expected
        uncertain += expected**2 / freedom
    return OfClasses(missing, total**2 / uncertain if uncertain else math.inf)


@dataclass(frozen=True)
class Measurement:
    """A metric of both sides, and the interval of head's less base's."""

    base: float
    head: float
    interval: Interval
    method: str
    examples: int


def mean_group_size(groups: np.ndarray | None) -> float:
    """The size of a mean example's group, of numbers from 0: how many examples chance may move as one."""
    import numpy as np

    if groups is None:
        return 1.0
    sizes = np.bincount(groups)
    return float((sizes**2).sum() / sizes.sum())


def by_influence(groups: np.ndarray | None) -> str:
    """What the method is called that sums squared influences."""
    return f"influence of each {'example' if groups is None else 'group'}"


def t_interval(centre: float, standard_error: float, degrees_of_freedom: float) -> Interval:
    """The interval of a t distribution around `centre`; that point alone where there is no spread."""
    from scipy.special import stdtr, stdtrit

    quantile = float(stdtrit(degrees_of_freedom, 0.975))
    if not standard_error:
        return Interval(0.0, degrees_of_freedom, centre, centre, float(centre == 0), 0.0)
    return Interval(
        standard_error,
        degrees_of_freedom,
        centre - quantile * standard_error,
        centre + quantile * standard_error,
        min(1.0, 2 * float(stdtr(degrees_of_freedom, -abs(centre) / standard_error))),
        (quantile + float(stdtrit(degrees_of_freedom, 0.8))) * standard_error,
    )
