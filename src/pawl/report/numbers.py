"""How a number reads: as many digits as the question needs, a real minus sign, and words where there is no number."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pawl.schema import MetricComparison, MetricState

MINUS = "\u2212"
NOTHING = "\u2013"
"""What a table cell says where there is nothing to say."""

_STATE_WORDS = {
    "missing": "missing",
    "nan": "undefined",
    "infinite": "infinite",
    "not a number": "not a number",
    "not run": "not run",
    "failed": "failed",
}
_PLAIN_BELOW = 1e7
_PLAIN_FROM = 1e-4
_MOST_DECIMALS = 6
"""Seven digits in a row could be taken for a short commit id."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class MetricText:
    """One metric as a table row shows it; `difference` is empty where there is none."""

    base: str
    head: str
    difference: str


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else MINUS + text[1:]
    return text


def _scientific(value: float, significant: int) -> str:
    mantissa, exponent = f"{value:.{significant - 1}e}".split("e")
    return f"{mantissa}\u00d710{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", MINUS)


def _is_plain(*values: float) -> bool:
    largest = max(abs(v) for v in values)
    return largest == 0 or _PLAIN_FROM <= largest < _PLAIN_BELOW


def show_number(value: float, significant: int = 4) -> str:
    """A number on its own, with `significant` digits but at most six decimals; whole numbers are kept whole.

    >>> show_number(0.97222), show_number(-3), show_number(1437.0), show_number(2.5e-7)
    ('0.9722', '−3', '1,437', '2.500×10⁻⁷')
    """  # noqa: RUF002
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else "infinite"
    if not _is_plain(value):
        return _scientific(value, significant)
    if value == int(value):
        return _fixed(value, 0)
    return _fixed(value, max(0, min(_MOST_DECIMALS, significant - 1 - _exponent(value))))


def _decimals(base: float, head: float, difference: float, tolerance: float) -> int:
    """Three digits of the difference, but nothing finer than a hundredth of the tolerance."""
    if all(v == int(v) for v in (base, head, difference)):
        return 0
    by_tolerance = 2 - _exponent(tolerance) if tolerance > 0 else _MOST_DECIMALS
    if difference == 0:
        by_value = 3 - _exponent(max(abs(base), abs(head)) or 1.0)
        wanted = min(by_value, by_tolerance)
    else:
        wanted = min(2 - _exponent(difference), by_tolerance)
    return max(0, min(_MOST_DECIMALS, wanted))


def show_difference(difference: float, decimals: int) -> str:
    """A signed difference with `decimals`, or with two digits of its own where those would say too little of it.

    >>> show_difference(0.01389, 4), show_difference(-0.5, 2), show_difference(0.0, 3), show_difference(1.2e-6, 4)
    ('+0.0139', '−0.50', '±0', '+1.2×10⁻⁶')
    """  # noqa: RUF002
    if difference == 0:
        return "±0"
    sign = MINUS if difference < 0 else "+"
    size = abs(difference)
    if not math.isfinite(size):
        return f"{sign}infinite"
    if size >= _PLAIN_BELOW:
        return sign + _scientific(size, 2)
    if abs(round(size, decimals) - size) > 0.05 * size:
        return sign + show_number(size, 2)
    return sign + _fixed(size, decimals)


def show_measured(value: float | None, state: MetricState, decimals: int | None = None) -> str:
    """The value with `decimals`, or with four significant digits, or the word for why there is none."""
    if state != "ok" or value is None:
        return _STATE_WORDS.get(state, "missing")
    if decimals is None:
        return show_number(value)
    return _fixed(value, decimals)


def show_metric(metric: MetricComparison) -> MetricText:
    """Both values and their difference with the same decimals, chosen by the difference and the tolerance."""
    base, head, difference = metric.base, metric.head, metric.difference
    if base is None or head is None or difference is None:
        return MetricText(show_measured(base, metric.base_state), show_measured(head, metric.head_state), "")
    if not _is_plain(base, head):
        return MetricText(show_number(base), show_number(head), show_difference(difference, 0))
    decimals = _decimals(base, head, difference, metric.tolerance)
    return MetricText(
        show_measured(base, metric.base_state, decimals),
        show_measured(head, metric.head_state, decimals),
        show_difference(difference, decimals),
    )


def show_seconds(seconds: float | None) -> str:
    """A duration, in the two units that matter.

    >>> show_seconds(0.034), show_seconds(12.34), show_seconds(245), show_seconds(7385), show_seconds(None)
    ('0.03 s', '12.3 s', '4 min 05 s', '2 h 03 min', '')
    """
    if seconds is None or seconds < 0:
        return ""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(min(seconds, 1e12))
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600:,} h {whole % 3_600 // 60:02d} min"


def show_bytes(count: int | None) -> str:
    """Memory in decimal units.

    >>> show_bytes(412_345_678), show_bytes(8_200_000_000), show_bytes(999), show_bytes(None)
    ('412 MB', '8.2 GB', '999 B', '')
    """
    if count is None or count < 0:
        return ""
    if count < 1_000:
        return f"{count} B"
    for unit, size in (("kB", 10**3), ("MB", 10**6)):
        if count < 999.5 * size:
            return f"{count / size:.0f} {unit}"
    return f"{min(count, 10**18) / 10**9:,.1f} GB"


def show_energy(joules: float | None) -> str:
    """Energy in the unit that electricity is sold in, or in joules where there is little of it.

    >>> show_energy(412.0), show_energy(90_000.0), show_energy(7.2e6), show_energy(None)
    ('412 J', '25 Wh', '2 kWh', '')
    """
    if joules is None or joules < 0:
        return ""
    if joules < 1_000:
        return f"{show_number(joules, 3)} J"
    hours = joules / 3_600
    return f"{show_number(hours, 3)} Wh" if hours < 1_000 else f"{show_number(hours / 1_000, 3)} kWh"


def show_count(count: int) -> str:
    """A count of things, whatever its size.

    >>> show_count(1437), show_count(10**40)
    ('1,437', 'over 10¹²')
    """
    if abs(count) > 10**12:
        return "over 10¹²" if count > 0 else f"under {MINUS}10¹²"
    return f"{count:,}".replace("-", MINUS)


def share_of(count: int, total: int) -> float:
    """The share that `count` is of `total`; 0 where that is nothing.

    >>> share_of(1, 4), share_of(0, 0)
    (0.25, 0.0)
    """
    return count / total if total else 0.0


def show_recall(recall: float | None, change: float | None) -> str:
    """The recall of a class, and how it changed where it did.

    >>> show_recall(1.0, 0.0278), show_recall(0.5, None), show_recall(None, None)
    ('1.000 (+0.028)', '0.500', 'no examples')
    """
    if recall is None:
        return "no examples"
    return _fixed(recall, 3) + (f" ({show_difference(change, 3)})" if change else "")


def show_change(metric: MetricComparison) -> str:
    """The difference, after an arrow for the way the value went; empty where there is no difference to tell."""
    difference = show_metric(metric).difference
    if not metric.difference:
        return difference
    return f"{'↑' if metric.difference > 0 else '↓'}\u00a0{difference}"


def show_cell(base: int | None, head: int | None, diagonal: bool) -> str:
    """A cell of a confusion matrix: one count, or both where they differ.

    >>> show_cell(34, 35, True), show_cell(0, 0, False), show_cell(0, 0, True), show_cell(None, 3, False)
    ('34→35', '·', '0', '3')
    """
    if base is not None and head is not None and base != head:
        return f"{show_count(base)}→{show_count(head)}"
    count = head if head is not None else base
    return show_count(count) if count else ("0" if diagonal else "·")
