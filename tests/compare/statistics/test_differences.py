"""Intervals, p-values, and what widens them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pawl.compare.statistics.calibration import calibration_contrast
from pawl.compare.statistics.differences import (
    Difference,
    compare_pairs,
)
from pawl.compare.statistics.intervals import Z_95, of_classes, spread_of
from pawl.compare.statistics.label_metrics import LABEL_METRICS
from pawl.compare.statistics.label_tables import label_table
from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.proportions import score_interval
from tests.compare.statistics import pairs

SEEDS = st.integers(0, 2**32 - 1)


def compared(pair: Pair, name: str, **settings: int) -> Difference:
    [found] = compare_pairs(pair, [name], **settings)
    return found


def consistent(found: Difference) -> bool:
    outside = found.lower > 0 or found.upper < 0
    numbers = [value for value in dataclasses.astuple(found) if isinstance(value, float)]
    return (
        (found.p_value < 0.05) == outside
        and all(map(math.isfinite, numbers))
        and found.lower < found.upper
        and found.lower <= found.difference <= found.upper
        and found.standard_error > 0
        and found.detectable > 0
        and 0 <= found.p_value <= 1
    )


@given(SEEDS, st.integers(2, 4), st.integers(8, 60), st.booleans())
@settings(max_examples=25, deadline=None)
def test_p_values_agree_with_intervals_and_no_interval_is_a_point(
    seed: int, n_labels: int, examples: int, grouped: bool
) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, 5, examples) if grouped else None
    if groups is not None:
        groups[:2] = 0, 1
    pair = pairs.scored(random, examples, n_labels, groups)
    found = compare_pairs(pair, resamples=50)
    assert {"accuracy", "macro_f1", "auroc", "log_loss", "calibration_error"} <= {one.name for one in found}
    assert all(consistent(one) for one in found), found
    same = compare_pairs(Pair(pair.base, pair.base), resamples=50)
    assert all(consistent(one) and one.difference == 0 and one.p_value == 1 for one in same)


def test_two_perfect_models_may_still_differ() -> None:
    targets = np.arange(60) % 2
    scores = np.eye(2)[targets]
    pair = pairs.classes(targets, targets, targets, 2, (scores, scores))
    assert all(consistent(one) for one in compare_pairs(pair)), "zero differences are seen, not known"


def test_equal_inputs_give_equal_results_and_sides_swap() -> None:
    pair = pairs.scored(np.random.default_rng(1), 80, 3)
    names = ("macro_f1", "calibration_error")
    assert compare_pairs(pair, names) == compare_pairs(pair, names)
    assert compare_pairs(pair, names, seed=1) != compare_pairs(pair, names)
    for one, other in zip(compare_pairs(pair), compare_pairs(Pair(pair.head, pair.base)), strict=True):
        assert other.difference == pytest.approx(-one.difference)
        assert other.upper == pytest.approx(-one.lower, rel=0.1, abs=1e-6)


@given(st.integers(1, 60), st.data())
@settings(max_examples=30, deadline=None)
def test_the_score_interval_is_where_the_score_test_does_not_reject(n: int, data: st.DataObject) -> None:
    only_base = data.draw(st.integers(0, n))
    only_head = data.draw(st.integers(0, n - only_base))
    lower, upper = score_interval(n, only_base, only_head)
    assert -1 <= lower <= (only_head - only_base) / n <= upper <= 1
    assert lower < upper
    for difference in (lower, upper):
        if abs(difference) > 0.999:
            continue
        # The share of losses under which such counts are likeliest, found by trying, not by Tango's formula.
        losses = np.linspace(max(0, -difference), min(1, (1 - difference) / 2), 50_001)[1:-1]
        gains, rest = losses + difference, 1 - 2 * losses - difference
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = (
                np.where(only_base, only_base * np.log(losses), 0)
                + np.where(only_head, only_head * np.log(gains), 0)
                + np.where(n - only_base - only_head, (n - only_base - only_head) * np.log(rest), 0)
            )
        best = losses[np.nanargmax(likelihood)]
        variance = n * (2 * best + difference - difference**2) + 0.25
        assert abs(only_head - only_base - n * difference) / math.sqrt(variance) == pytest.approx(Z_95, abs=5e-3)


def test_four_against_none_is_not_enough_and_six_are() -> None:
    targets = np.zeros(100, dtype=int)
    for count, is_called in ((4, False), (6, True)):
        head = np.where(np.arange(100) < count, 1, 0)
        found = compared(pairs.classes(targets, targets, head, 2), "accuracy")
        assert (found.p_value < 0.05) is is_called
        assert found.difference == pytest.approx(-count / 100)
        assert found.method == "score interval of Tango"


def test_auroc_has_the_variance_of_delong() -> None:
    random = np.random.default_rng(4)
    positives = np.arange(50) < 20
    base, head = random.normal(size=(2, 50)) + positives
    scores = [np.stack([-side, side], axis=1) for side in (base, head)]
    pair = pairs.classes(positives.astype(int), positives.astype(int), positives.astype(int), 2, (scores[0], scores[1]))
    # Written out from the paper: every positive against every negative.
    placements = [
        (np.greater.outer(side[positives], side[~positives]) + 0.5 * np.equal.outer(side[positives], side[~positives]))
        for side in (base, head)
    ]
    of_positives = np.cov([matrix.mean(axis=1) for matrix in placements])
    of_negatives = np.cov([matrix.mean(axis=0) for matrix in placements])
    contrast = np.array([-1, 1])
    variance = contrast @ (of_positives / 20 + of_negatives / 30) @ contrast
    found = compared(pair, "auroc")
    assert found.method == "DeLong"
    assert found.difference == pytest.approx(placements[1].mean() - placements[0].mean())
    assert found.standard_error**2 == pytest.approx(variance, rel=0.05)


def test_few_positives_and_few_negatives_are_as_uncertain_as_by_delong() -> None:
    random = np.random.default_rng(4)
    for rare in (True, False):
        positives = (np.arange(40) < 5) == rare
        sides = [random.normal(size=40) + positives for _ in range(2)]
        placements = [np.greater.outer(side[positives], side[~positives]) for side in sides]
        moved = placements[1].astype(float) - placements[0]
        by_positive, by_negative = moved.mean(axis=1), moved.mean(axis=0)
        variance = by_positive.var(ddof=1) / len(by_positive) + by_negative.var(ddof=1) / len(by_negative)
        scores = [np.stack([-side, side], axis=1) for side in sides]
        said = positives.astype(int)
        found = compared(pairs.classes(said, said, said, 2, (scores[0], scores[1])), "auroc")
        assert found.standard_error**2 == pytest.approx(variance, rel=0.1)


def test_a_value_under_the_name_of_a_metric_is_that_value() -> None:
    pair = pairs.scored(np.random.default_rng(0), 20, 2)
    own = {"accuracy": np.full(20, 0.125), "calibration_error": np.full(20, 0.25)}
    found = compare_pairs(Pair(*(dataclasses.replace(side, values=own) for side in (pair.base, pair.head))))
    values = {one.name: one.base for one in found}
    assert (values["accuracy"], values["calibration_error"]) == (0.125, 0.25)


def test_what_chance_adds_to_calibration_errors_is_in_their_interval() -> None:
    random = np.random.default_rng(0)
    errors, claimed = [], []
    for _ in range(150):
        true = random.uniform(0.5, 1, 200)
        right = (random.random(200) < true).astype(int)
        # Base says how sure it may be, head is surer by half of what is left: by 0.125 on average.
        base, head = (np.stack([1 - sure, sure], axis=1) for sure in (true, (1 + true) / 2))
        ones = np.ones(200, dtype=int)
        found = compared(pairs.classes(right, ones, ones, 2, (base, head)), "calibration_error", resamples=200)
        errors.append((found.difference - 0.125) ** 2)
        claimed.append(found.standard_error**2)
    assert 0.7 < np.mean(claimed) / np.mean(errors) < 1.5


def test_groups_of_one_example_each_are_no_groups() -> None:
    pair = pairs.scored(np.random.default_rng(1), 9, 2)
    alone = [dataclasses.replace(side, groups=np.arange(9)) for side in (pair.base, pair.head)]
    assert compare_pairs(Pair(*alone), resamples=50) == compare_pairs(pair, resamples=50)
    assert pair.base.targets is not None
    assert pair.base.scores is not None
    assert pair.head.scores is not None
    by_group, by_example = (
        calibration_contrast(pair.base.targets, pair.base.scores, pair.head.scores, groups, 500, 0).mean_square
        for groups in (np.arange(9), None)
    )
    assert by_group == pytest.approx(by_example)


def test_a_mean_of_values_without_skew_is_the_paired_t_test() -> None:
    base = np.random.default_rng(0).normal(size=20)
    change = np.random.default_rng(1).normal(size=10)
    head = base + np.concatenate([change, -change]) + 0.3
    found = compared(pairs.values(base, head), "dice")
    expected = stats.ttest_rel(head, base)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.lower, found.upper) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.degrees_of_freedom == pytest.approx(19)


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    random = np.random.default_rng(2)
    first = compared(pairs.values(np.zeros(50), random.normal(0, 1, 50)), "dice")
    found = [
        compared(pairs.values(np.zeros(50), random.normal(first.detectable, 1, 50)), "dice").p_value < 0.05
        for _ in range(2_000)
    ]
    assert 0.75 < np.mean(found) < 0.9


def test_skewed_changes_have_fewer_degrees_of_freedom() -> None:
    changes = np.random.default_rng(0).exponential(size=40)
    found = compared(pairs.values(np.zeros(40), changes), "dice")
    assert 2 < found.degrees_of_freedom < 25


def test_examples_of_one_group_count_as_often_as_they_differ() -> None:
    random = np.random.default_rng(0)
    change = random.normal(size=40)
    alone = compared(pairs.values(np.zeros(40), change), "dice")
    groups = np.repeat(np.arange(40), 5)
    repeated = compared(pairs.values(np.zeros(200), np.repeat(change, 5), groups), "dice")
    assert repeated.standard_error == pytest.approx(alone.standard_error)
    assert (repeated.examples, repeated.groups, alone.groups) == (200, 40, None)
    ungrouped = compared(pairs.values(np.zeros(200), np.repeat(change, 5)), "dice")
    assert ungrouped.standard_error < 0.5 * alone.standard_error
    assert compare_pairs(pairs.values(np.zeros(5), np.ones(5), np.zeros(5, dtype=int))) == ()


def test_groups_widen_metrics_of_labels_and_scores_too() -> None:
    random = np.random.default_rng(3)
    pair = pairs.scored(random, 60, 3)
    rows = np.repeat(np.arange(60), 4)
    copies = pair.take(rows)
    grouped = Pair(*(dataclasses.replace(side, ids=pairs.ids(240), groups=rows) for side in (copies.base, copies.head)))
    for one, other in zip(compare_pairs(pair), compare_pairs(grouped), strict=True):
        assert other.difference == pytest.approx(one.difference)
        if one.name.startswith("recall") or one.name == "accuracy":
            continue
        assert other.standard_error == pytest.approx(one.standard_error, rel=0.2), one.name


def test_draws_of_tables_are_draws_of_examples() -> None:
    pair = pairs.scored(np.random.default_rng(0), 60, 3)
    targets, base, head = pair.base.targets, pair.base.predictions, pair.head.predictions
    found = compared(pair, "macro_f1", resamples=4_000)
    assert "bootstrap of 4,000 multinomial tables" in found.method

    def f1(rows: np.ndarray) -> float:
        table = label_table(targets[rows], base[rows], head[rows], 3)
        before, after = table.confusions(table.counts[None, :])
        return float(LABEL_METRICS["macro_f1"](after, None)[0][0] - LABEL_METRICS["macro_f1"](before, None)[0][0])

    random = np.random.default_rng(1)
    drawn = [f1(random.integers(0, 60, 60)) for _ in range(2_000)]
    assert found.standard_error == pytest.approx(np.std(drawn) * math.sqrt(60 / 59), rel=0.07)


def test_a_class_with_one_example_is_not_certain() -> None:
    targets = np.array([0] * 60 + [1] * 20 + [2])
    random = np.random.default_rng(0)
    base, head = (np.where(random.random(81) < 0.25, (targets + 1) % 3, targets) for _ in range(2))
    base[-1] = head[-1] = 2
    parts = label_table(targets, base, head, 3).recall_variances()
    assert parts[2] == (1, 0.0)
    assert of_classes(parts).missing_variance > 0.5 * parts[1][1] * 20
    found = {one.name: one for one in compare_pairs(pairs.classes(targets, base, head, 3))}
    assert found["balanced_accuracy"].standard_error > 2 * found["accuracy"].standard_error
    assert found["recall:2"].examples == 1
    assert found["recall:2"].upper > 0.5


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_variances_of_classes_are_those_of_their_influences(seed: int, n_labels: int) -> None:
    targets, base, head = np.random.default_rng(seed).integers(0, n_labels, (3, 50))
    table = label_table(targets, base, head, n_labels)
    for label, (count, variance) in zip(np.unique(targets), table.f1_variances(), strict=True):
        moves = np.zeros(50)
        for said, sign in ((base, -1), (head, 1)):
            named = (targets == label).mean() + (said == label).mean()
            f1 = 2 * ((targets == label) & (said == label)).mean() / named
            hit = (targets == label) & (said == label)
            moves += sign * (2.0 * hit - f1 * (targets == label) - f1 * (said == label)) / named
        assert count == (targets == label).sum()
        assert variance == pytest.approx((moves**2).sum() / 50**2)


def test_spread_is_the_same_from_counts_as_from_examples() -> None:
    moves = np.array([-1.0, 0.0, 0.5, 2.0])
    counts = np.array([5, 3, 10, 4])
    by_count, by_example = spread_of(moves, counts), spread_of(np.repeat(moves, counts))
    assert dataclasses.astuple(by_count) == pytest.approx(dataclasses.astuple(by_example))
