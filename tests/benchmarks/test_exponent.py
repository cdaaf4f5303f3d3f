"""An exponent must be found under a start-up cost and scatter, or a quadratic cost passes as n log n."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.exponent import fit_growth

SIZES = (10, 30, 100, 300, 1_000)
SCATTER = (1.02, 0.97, 1.03, 0.98, 1.02)


@given(exponent=st.floats(0.5, 3.0), start_up=st.floats(0.0, 3.0), per_unit=st.floats(1e-6, 1e-2))
def test_exponent_is_found_under_any_start_up(exponent: float, start_up: float, per_unit: float) -> None:
    per_unit *= 10**4 / 10 ** (3 * exponent)  # so that growth outweighs the start at the largest size
    growth = fit_growth(SIZES, [start_up + per_unit * size**exponent for size in SIZES])
    if per_unit * SIZES[-1] ** exponent < 10 * start_up:
        return
    assert growth.exponent == pytest.approx(exponent, abs=0.02)


@pytest.mark.parametrize("sizes", [SIZES, (1_000, 10_000, 100_000, 1_000_000), (1, 3, 10, 30, 100, 200)])
def test_n_log_n_passes_and_a_higher_power_does_not(sizes: tuple[int, ...]) -> None:
    scattered = [SCATTER[number % len(SCATTER)] for number in range(len(sizes))]
    of_sort = [0.5 + 1e-3 * size * math.log2(size + 1) for size in sizes]
    assert not fit_growth(sizes, [cost * x for cost, x in zip(of_sort, scattered, strict=True)]).is_worse
    worse = fit_growth(sizes, [(0.5 + 1e-2 * size**1.75) * x for size, x in zip(sizes, scattered, strict=True)])
    assert worse.is_worse
    assert "WORSE" in str(worse)


def test_start_up_alone_is_flat() -> None:
    growth = fit_growth(SIZES, [1.0 * x for x in SCATTER])
    assert growth.exponent is None
    assert not growth.is_worse
    assert str(growth) == "flat"


def test_two_points_are_no_growth() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_growth((10, 100), (1.0, 2.0))


def test_one_point_that_stands_out_of_start_up_is_no_proof() -> None:
    growth = fit_growth((1_000, 10_000, 100_000, 1_000_000), (0.72, 0.67, 0.81, 3.32))
    assert growth.exponent is not None
    assert growth.exponent > growth.allowed
    assert not growth.is_worse
