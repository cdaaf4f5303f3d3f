"""How sure one can be, in digits: both ends of an interval, and a p-value."""

from __future__ import annotations

import math

from pawl.report.numbers import MINUS, show_difference, show_number
from pawl.schema import MetricComparison

_MOST_DECIMALS = 6
_SMALLEST_P = 1e-4
LEVEL = 0.05
"""What a p-value is read against, so that none is rounded across it."""


def show_interval(lower: float, upper: float) -> str:
    """Both ends with the same decimals: two digits of half the interval, or as many as tell each end within 5 %.

    >>> show_interval(-0.0624, -0.0178), show_interval(0.0013, 0.0287), show_interval(-12.0, 3.0)
    ('−0.062 to −0.018', '+0.0013 to +0.0287', '−12.0 to +3.0')
    """  # noqa: RUF002
    # Halves first, because the distance between two finite numbers can overflow.
    half = abs(upper / 2 - lower / 2) or max(abs(lower), abs(upper))
    decimals = max(0, min(_MOST_DECIMALS, 1 - math.floor(math.log10(half)))) if half > 0 else 0
    while decimals < _MOST_DECIMALS and any(
        abs(round(end, decimals) - end) > 0.05 * abs(end) for end in (lower, upper)
    ):
        decimals += 1
    return f"{show_difference(lower, decimals)} to {show_difference(upper, decimals)}"


def show_p(p_value: float) -> str:
    """A p-value as people write it, never rounded across 0.05.

    >>> show_p(0.0312), show_p(2e-5), show_p(0.4567), show_p(0.04999), show_p(0.05), show_p(1.0)
    ('p = 0.031', 'p < 0.0001', 'p = 0.46', 'p < 0.05', 'p = 0.050', 'p = 1')
    """
    if p_value < _SMALLEST_P:
        return "p < 0.0001"
    if p_value >= 0.995:
        return "p = 1"
    shown = f"{p_value:.4f}" if p_value < 0.001 else f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"
    return "p < 0.05" if p_value < LEVEL <= float(shown) else f"p = {shown}"


def p_cell(p_value: float) -> str:
    """The same for a column that is headed p.

    >>> p_cell(0.0312), p_cell(2e-5)
    ('0.031', '< 0.0001')
    """
    return show_p(p_value).removeprefix("p = ").removeprefix("p ")


def deciding_p(metric: MetricComparison) -> float | None:
    """The p-value that the verdict rests on: corrected where it was; None where there is none."""
    return metric.p_value if metric.p_corrected is None else metric.p_corrected


def show_size(value: float) -> str:
    """The size of a difference in two digits, without its sign.

    >>> show_size(-0.02134), show_size(3.0)
    ('0.021', '3')
    """
    return show_number(abs(value), 2)


def show_signed(value: float) -> str:
    """A difference in two digits, with its sign.

    >>> show_signed(-0.1312), show_signed(0.0)
    ('−0.13', '±0')
    """  # noqa: RUF002
    if value == 0:
        return "±0"
    return f"{MINUS if value < 0 else '+'}{show_number(abs(value), 2)}"
