"""Intervals as small bars: the line of no difference, the tolerance around it, the interval, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_MARGIN = 0.06


@dataclass(frozen=True)
class Span:
    """What a bar's two ends stand for, in the unit of the difference; zero is always between them."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where `value` lies between the ends, 0 to 1."""
        # Shares of the largest number, because the distance between two finite numbers can overflow.
        largest = max(abs(self.low), abs(self.high))
        if largest == 0:
            return 0.5
        low, high = self.low / largest, self.high / largest
        inner = (min(max(value / largest, low), high) - low) / (high - low)
        return _MARGIN + (1 - 2 * _MARGIN) * inner


def span_of(values: Iterable[float]) -> Span:
    """The smallest span that has zero and all `values` in it."""
    known = [0.0, *values]
    return Span(min(known), max(known))


def bar(span: Span, difference: float, lower: float, upper: float, tolerance: float = 0.0) -> dict[str, Any]:
    """The parts of a bar as shares of its width, 0 to 1: `zero`, `point`, and `start` and `width` of two ranges."""
    left, right = sorted((span.place(lower), span.place(upper)))
    band = [span.place(-tolerance), span.place(tolerance)] if tolerance > 0 else [0.0, 0.0]
    return {
        "zero": span.place(0.0),
        "point": span.place(difference),
        "start": left,
        "width": right - left,
        "band_start": band[0],
        "band_width": band[1] - band[0],
    }


def show_share(share: float) -> str:
    """A share as a percentage.

    >>> show_share(0.1234), show_share(1.0)
    ('12.3 %', '100 %')
    """
    return f"{100 * share:,.0f} %" if share in (0.0, 1.0) else f"{100 * share:,.1f} %"
