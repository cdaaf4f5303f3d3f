from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pawl import schema as s
from pawl.report.curves import MOST_BARS, curve_texts, sparkline

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, max_size=60), finite, finite)
@example([1e308, -1e308], -1e308, 1e308)
def test_a_shape_has_a_bar_for_each_part_whatever_the_numbers(values: list[float], low: float, high: float) -> None:
    shape = sparkline(values, low, high)
    assert len(shape) == min(len(values), MOST_BARS)
    assert set(shape) <= set("▁▂▃▄▅▆▇█")


def test_a_rise_is_drawn_as_a_rise() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 0, 7) == "▁▂▃▄▅▆▇█"
    assert sparkline([float(i) for i in range(100)], 0, 99, most_bars=4) == "▂▄▅▇"


def curve(name: str, base: list[float], head: list[float]) -> s.Curve:
    def series(values: list[float]) -> s.Series:
        return s.Series(steps=tuple(float(10 * i) for i in range(len(values))), values=tuple(values))

    return s.Curve(name=name, group="g", path="p", base=series(base) if base else None, head=series(head))


def test_both_sides_share_one_scale_and_the_best_follows_the_name() -> None:
    base, head = curve_texts(curve("val/loss", [4.0, 3.0, 2.0], [2.0, 0.5, 1.0]))
    assert base is not None
    assert head is not None
    assert (base.shape, head.shape) == ("█▆▄", "▄▁▂")
    assert (head.first, head.best, head.last) == ("2", "0.5000 (step 10)", "1")
    assert curve_texts(curve("accuracy", [], [0.1, 0.9, 0.8]))[0] is None
    highest = curve_texts(curve("accuracy", [], [0.1, 0.9, 0.8]))[1]
    assert highest is not None
    assert highest.best == "0.9000 (step 10)"


def test_without_a_known_direction_nothing_is_called_best() -> None:
    head = curve_texts(curve("learning_rate", [], [0.1, 0.01]))[1]
    assert head is not None
    assert head.best == ""


def test_steps_and_values_of_different_lengths_are_cut_to_the_shorter() -> None:
    odd = s.Curve(name="loss", group="g", path="p", base=None, head=s.Series(steps=(0.0,), values=(1.0, 2.0)))
    head = curve_texts(odd)[1]
    assert head is not None
    assert (head.steps, head.last) == (1, "1")
