"""How cost grows: the exponent b of c + k * n^b over measured points, and whether n log n would explain them too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ALLOWANCE = 0.15
"""By how much the exponent may exceed that of n log n over the same sizes."""
SCATTER = 0.1
"""By how much timings may miss a curve that explains them, relative to each."""
FLAT = 1.5
"""Where the largest point costs less than so many times the smallest, start-up is all that was measured."""
_EXPONENTS = [number / 100 for number in range(5, 351)]


@dataclass(frozen=True)
class Growth:
    """What was fitted to sizes n and costs (both (P,)), by least squares of the relative errors."""

    exponent: float | None
    """b; None where cost does not grow beyond start-up."""
    allowed: float
    """The exponent that n log n would have shown over the same sizes."""

    error_of_n_log_n: float
    """Root of the mean squared relative error with which c + k * n log n meets the costs."""

    @property
    def is_worse(self) -> bool:
        """Whether it grows faster than n log n: where few points stand out of start-up, the exponent alone is luck."""
        is_steeper = self.exponent is not None and self.exponent > self.allowed + ALLOWANCE
        return is_steeper and self.error_of_n_log_n > SCATTER

    def __str__(self) -> str:
        if self.exponent is None:
            return "flat"
        return f"n^{self.exponent:.2f}" + (": WORSE than n log n" if self.is_worse else "")


def fit_growth(sizes: Sequence[int], costs: Sequence[float]) -> Growth:
    """The growth of costs above 0 over rising sizes from 1; of fewer than three points ValueError.

    >>> print(fit_growth([10, 100, 1_000, 10_000], [2.0, 2.9, 12.0, 102.0]))
    n^1.00
    """
    if len(sizes) < 3:
        raise ValueError(f"{len(sizes)} points are too few for an exponent: measure three or more")
    # The logarithm of 1 is 0, which would be no cost at all.
    n_log_n = [size * math.log2(size + 1) for size in sizes]
    error = math.sqrt(_misfit(costs, n_log_n) / len(sizes))
    exponent = None if max(costs) < FLAT * min(costs) else _best_exponent(sizes, costs)
    return Growth(exponent, _best_exponent(sizes, n_log_n), error)


def _best_exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    return min(_EXPONENTS, key=lambda exponent: _misfit(costs, [size**exponent for size in sizes]))


def _misfit(costs: Sequence[float], shape: Sequence[float]) -> float:
    """The sum of squared relative errors of the best c + k * shape, neither of them below 0."""
    # In units of each cost: a = 1 / cost stands for c, s = shape / cost for k, and the aim is 1.
    a = [1 / cost for cost in costs]
    s = [value / cost for value, cost in zip(shape, costs, strict=True)]
    aa, as_, ss = (sum(x * y for x, y in zip(*pair, strict=True)) for pair in ((a, a), (a, s), (s, s)))
    a1, s1 = sum(a), sum(s)
    candidates = [(a1 / aa, 0.0), (0.0, s1 / ss)]
    determinant = aa * ss - as_ * as_
    if determinant > 1e-12 * aa * ss:
        candidates.append(((a1 * ss - s1 * as_) / determinant, (aa * s1 - as_ * a1) / determinant))
    return min(
        sum((c * x + k * y - 1) ** 2 for x, y in zip(a, s, strict=True)) for c, k in candidates if c >= 0 and k >= 0
    )
