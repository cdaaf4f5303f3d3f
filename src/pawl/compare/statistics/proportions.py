"""Two shares of the same examples: what the examples that only one side got right say."""

from __future__ import annotations

import math

from pawl.compare.statistics.intervals import Z_95, Interval

_QUARTER = 0.25
"""Of an example, added to the variance: without it 4 to 0 is called a difference, and chance does that once in 8."""
_Z_80 = 0.8416212335729143


def score_interval_of(examples: int, only_base: int, only_head: int) -> Interval:
    """The score interval with the p-value that belongs to it, that of McNemar's statistic."""
    lower, upper = score_interval(examples, only_base, only_head)
    standard_error = (upper - lower) / (2 * Z_95)
    return Interval(
        standard_error,
        float(max(examples - 1, 1)),
        lower,
        upper,
        math.erfc(abs(only_head - only_base) / math.sqrt(2 * (only_base + only_head + _QUARTER))),
        (Z_95 + _Z_80) * standard_error,
    )


def score_interval(examples: int, only_base: int, only_head: int, z: float = Z_95) -> tuple[float, float]:
    """The differences of head's share to base's that the counts do not contradict.

    Tango 1998, the score interval of paired shares, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C891.
    Not of width zero even where no example differs, and it holds 0 where McNemar's statistic is up to z squared.
    """
    estimate = (only_head - only_base) / examples
    return (
        -_upper_end(examples, only_head, only_base, -estimate, z),
        _upper_end(examples, only_base, only_head, estimate, z),
    )


def _upper_end(n: int, losses: int, gains: int, estimate: float, z: float) -> float:
    low, high = estimate, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _distance(n, losses, gains, middle) <= z:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _distance(n: int, losses: int, gains: int, difference: float) -> float:
    """How many standard errors the counts lie below `difference`, with the share of losses that fits it best."""
    linear = -gains - losses + (2 * n - gains + losses) * difference
    constant = -losses * difference * (1 - difference)
    share = (math.sqrt(max(linear * linear - 8 * n * constant, 0.0)) - linear) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference)) + _QUARTER
    below = n * difference - (gains - losses)
    return below / math.sqrt(variance)
