"""The luck of seeds, several tests at once, and the exact test of accuracies."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pawl.compare.statistics.differences import (
    compare_pairs,
    default_primary,
    holm,
    mcnemar,
    metric_names,
    seed_only,
    with_seed_noise,
)
from tests.compare.statistics import pairs
from tests.compare.statistics.test_differences import SEEDS, compared, consistent


def test_seed_noise_widens_by_both_sides_trainings() -> None:
    random = np.random.default_rng(0)
    found = compared(pairs.values(random.normal(size=50), random.normal(0.8, 1, 50)), "dice")
    assert found.p_value < 0.05
    wider = with_seed_noise(found, 0.5, 5)
    assert wider.standard_error**2 == pytest.approx(found.standard_error**2 + 2 * 0.5**2)
    assert 4 < wider.degrees_of_freedom < 10
    assert wider.lower < found.lower
    assert wider.p_value > 0.05
    assert wider.detectable > found.detectable
    assert (wider.difference, wider.examples) == (found.difference, found.examples)
    assert wider.method == "influence of each example, and the spread of 5 seeds"
    assert with_seed_noise(found, 0.0, 5) == found
    with pytest.raises(ValueError, match="1 seeds"):
        with_seed_noise(found, 0.1, 1)


@given(SEEDS, st.floats(0, 0.2), st.integers(2, 20))
def test_the_luck_of_seeds_never_narrows_an_interval(seed: int, sd: float, seeds: int) -> None:
    random = np.random.default_rng(seed)
    right = [random.random(30) < 0.9 for _ in range(2)]
    found = compared(pairs.values(*(side.astype(float) for side in right)), "dice")
    wider = with_seed_noise(found, sd, seeds)
    assert wider.lower <= found.lower
    assert wider.upper >= found.upper
    assert consistent(wider)


def test_the_spread_of_seeds_alone_is_a_t_interval() -> None:
    found = seed_only("dice", "higher", 0.8, 0.9, 0.02, 4)
    half_width = stats.t.ppf(0.975, 3) * math.sqrt(2) * 0.02
    assert (found.lower, found.upper) == pytest.approx((0.1 - half_width, 0.1 + half_width))
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.1 / (math.sqrt(2) * 0.02), 3))
    assert (found.examples, found.groups) == (0, None)
    for sd in (math.nan, -1.0, math.inf):
        with pytest.raises(ValueError, match="spread"):
            seed_only("dice", "higher", 0.8, 0.9, sd, 4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_steps_down(p_values: list[float]) -> None:
    corrected = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    # A hypothesis falls at a level where it and all with smaller p-values do.
    for place, level in itertools.product(range(len(p_values)), (0.01, 0.05, 0.2)):
        falls = True
        for rank, other in enumerate(order):
            falls = falls and p_values[other] * (len(p_values) - rank) <= level
            if other == place:
                break
        assert (corrected[place] <= level) == falls
    assert all(before <= after for before, after in zip(p_values, corrected, strict=True))


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
@settings(deadline=None)
def test_mcnemar_is_the_exact_binomial_test(only_base: int, only_head: int, both: int) -> None:
    base = np.array([0] * only_base + [1] * only_head + [0] * (both + 1))
    head = np.array([1] * only_base + [0] * only_head + [0] * (both + 1))
    found = mcnemar(pairs.classes(np.zeros(len(base), dtype=int), base, head, 2))
    assert found is not None
    assert (found.only_base_right, found.only_head_right) == (only_base, only_head)
    differing = only_base + only_head
    expected = stats.binomtest(only_base, differing).pvalue if differing else 1.0
    assert found.p_value == pytest.approx(expected)


def test_values_have_no_mcnemar_and_name_themselves() -> None:
    pair = pairs.values([0.8, 0.9], [0.7, 0.9])
    assert mcnemar(pair) is None
    assert metric_names(pair.base) == ("dice",)
    assert default_primary(pair.base) == "dice"
    assert compared(pair, "dice").direction == "higher"
    assert compare_pairs(pair, ["accuracy", "auroc", "calibration_error", "recall:a"]) == ()


def test_every_metric_named_is_given_where_nobody_chose() -> None:
    pair = pairs.scored(np.random.default_rng(0), 60, 3)
    assert tuple(one.name for one in compare_pairs(pair)) == metric_names(pair.base)
    assert default_primary(pair.base) == "accuracy"
    assert tuple(one.name for one in compare_pairs(pair, ["brier", "accuracy"])) == ("brier", "accuracy")
