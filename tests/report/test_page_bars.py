"""The bars of intervals."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pawl.report.page_bars import bar, span_of

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=3, max_size=3), finite)
@example([-1e308, 1e308, 0.0], 1e308)
@example([0.0, 0.0, 0.0], 0.0)
@example([5e-324, -5e-324, 0.0], 0.0)
def test_a_bar_keeps_its_parts_inside_and_in_order(values: list[float], tolerance: float) -> None:
    lower, difference, upper = sorted(values)
    span = span_of((lower, difference, upper, tolerance, -tolerance))
    shape = bar(span, difference, lower, upper, abs(tolerance))
    assert all(0 <= shape[part] <= 1 for part in shape)
    assert shape["start"] <= shape["point"] <= shape["start"] + shape["width"] + 1e-12
    for value, place in ((lower, shape["start"]), (difference, shape["point"])):
        assert place <= shape["zero"] if value <= 0 else place >= shape["zero"]
    if tolerance:
        assert shape["band_start"] <= shape["zero"] <= shape["band_start"] + shape["band_width"]


def test_a_bar_is_to_scale() -> None:
    shape = bar(span_of((-1.0, 3.0)), 2.0, 1.0, 3.0, tolerance=1.0)
    unit = shape["zero"] - shape["band_start"]
    assert shape["band_width"] == pytest.approx(2 * unit)
    assert shape["point"] == pytest.approx(shape["zero"] + 2 * unit)
    assert (shape["start"], shape["width"]) == pytest.approx((shape["zero"] + unit, 2 * unit))
    assert (shape["band_start"], shape["start"] + shape["width"]) == pytest.approx((0.06, 0.94))
    far = bar(span_of((2.0, 4.0)), 2.5, 2.0, 4.0)
    assert (far["zero"], far["start"]) == pytest.approx((0.06, 0.5))
