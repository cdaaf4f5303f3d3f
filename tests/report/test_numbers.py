"""Numbers read well, agree with each other, and are words where they are none."""

# ruff: noqa: RUF001 a real minus sign is what these tests are about
from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pawl.report import costs, curves, intervals, numbers
from pawl.report.numbers import MINUS, show_bytes, show_count, show_difference, show_metric, show_number, show_seconds

from .parts import metric

finite = st.floats(-1e307, 1e307)


def as_float(text: str) -> float:
    plain = text.replace(MINUS, "-").replace(",", "").replace("±", "").replace("×10", "e")
    return float(plain.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))


@pytest.mark.parametrize("module", [numbers, curves, intervals, costs])
def test_the_examples_in_the_docstrings(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("base", "head", "tolerance", "shown"),
    [
        (350 / 360, 355 / 360, 0.005, ("0.9722", "0.9861", "+0.0139")),
        (350 / 360, 339 / 360, 0.005, ("0.9722", "0.9417", "−0.0306")),
        (0.95614, 0.95614, 0.005, ("0.9561", "0.9561", "±0")),
        (0.9, 0.9104, 0.01, ("0.9000", "0.9104", "+0.0104")),
        (0.9, 0.90000123, 0.01, ("0.9000", "0.9000", "+1.2×10⁻⁶")),
        (0.97222222, 0.97222223, 0.0, ("0.972222", "0.972222", "+1.0×10⁻⁸")),
        (0.0, 1.5, 100.0, ("0", "2", "+1.5")),
        (360, 365, 0, ("360", "365", "+5")),
        (1437, 1437, 0, ("1,437", "1,437", "±0")),
        (-0.5, -1.5, 0.1, ("−0.50", "−1.50", "−1.00")),
        (-0.00001, 0.25, 0.01, ("0.000", "0.250", "+0.250")),
        (0.0, 0.25, 0.01, ("0.000", "0.250", "+0.250")),
        (1234.5, 1000.0, 1.0, ("1,234", "1,000", "−234")),
        (3.1e-9, 4.2e-9, 0, ("3.100×10⁻⁹", "4.200×10⁻⁹", "+1.1×10⁻⁹")),
        (2.5e9, 2.6e9, 0, ("2.500×10⁹", "2.600×10⁹", "+1.0×10⁸")),
        (1e308, -7e307, 0, ("1.000×10³⁰⁸", "−7.000×10³⁰⁷", "−1.7×10³⁰⁸")),
    ],
)
def test_digits_follow_the_difference_and_the_tolerance(
    base: float, head: float, tolerance: float, shown: tuple[str, str, str]
) -> None:
    text = show_metric(metric("m", base, head, verdict="better", tolerance=tolerance))
    assert (text.base, text.head, text.difference) == shown


@given(finite, finite, st.floats(0, 1e3))
@example(1e307, 1e-308, 0.0)
@example(0.0, 1.5, 100.0)
def test_a_difference_keeps_its_sign_and_never_rounds_away(base: float, head: float, tolerance: float) -> None:
    text = show_metric(metric("m", base, head, verdict="better", tolerance=tolerance))
    difference = head - base
    shown = as_float(text.difference)
    assert (shown > 0, shown < 0) == (difference > 0, difference < 0)
    assert shown == pytest.approx(difference, rel=0.06)
    assert not {"nan", "inf", "-"} & {text.base, text.head, text.difference}
    assert "-" not in text.base + text.head + text.difference
    size = max(abs(base), abs(head), abs(difference))
    assert as_float(text.base) == pytest.approx(base, abs=max(size * 6e-3, tolerance))
    assert as_float(text.head) == pytest.approx(head, abs=max(size * 6e-3, tolerance))


@given(st.one_of(finite, st.floats(-1, 1)))
@example(0.00022371)
def test_a_lone_number_keeps_four_digits_or_six_decimals(value: float) -> None:
    assert as_float(show_number(value)) == pytest.approx(value, rel=1e-3, abs=6e-7 if abs(value) > 1e-4 else 0)


@pytest.mark.parametrize(
    ("state", "word"),
    [("missing", "missing"), ("nan", "undefined"), ("infinite", "infinite"), ("not run", "not run"),
     ("failed", "failed"), ("not a number", "not a number")],
)  # fmt: skip
def test_what_is_no_number_has_a_word(state: str, word: str) -> None:
    text = show_metric(metric("m", 0.97222, state, verdict="not comparable"))
    assert (text.base, text.head, text.difference) == ("0.9722", word, "")


def test_floats_that_are_no_number_have_words_too() -> None:
    assert [show_number(float(text)) for text in ("nan", "inf", "-inf")] == ["undefined", "infinite", "infinite"]
    assert show_difference(float("-inf"), 2) == f"{MINUS}infinite"


@given(st.integers())
def test_counts_of_any_size_stay_short(count: int) -> None:
    assert len(show_count(count)) <= 18


@given(st.floats(0, allow_nan=False, allow_infinity=False))
@example(59.96)
@example(3599.7)
def test_durations_carry_over(seconds: float) -> None:
    text = show_seconds(seconds)
    assert len(text) < 25
    assert not re.search(r"(^|\s)60(\.0)? (s|min)", text)


@given(st.integers(0))
@example(999_999)
@example(999_500_000)
def test_memory_is_never_a_thousand_of_a_unit(count: int) -> None:
    number, unit = show_bytes(count).split()
    assert unit == "GB" or float(number) < 1_000
