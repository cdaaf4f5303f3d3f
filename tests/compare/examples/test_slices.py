"""Slices: each its own paired comparison, corrected for being many, the worst first."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pawl.compare.examples.slices import MIN_EXAMPLES, slices
from pawl.compare.statistics.differences import compare_pairs
from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import Predictions
from pawl.schema import MAX_SLICES, SliceComparison
from tests.compare.examples.pairs import ids, swapped


def pair_of(columns: dict[str, list[str]], base_right: np.ndarray, head_right: np.ndarray) -> Pair:
    """Two classes; an example is right or wrong as given."""
    count = len(base_right)
    targets = np.arange(count) % 2
    sides = [
        Predictions(
            ids(count),
            "classification",
            ("a", "b"),
            targets,
            np.where(right, targets, 1 - targets),
            slices={name: np.array(values, dtype=object) for name, values in columns.items()},
        )
        for right in (base_right, head_right)
    ]
    return Pair(*sides)


def sites_of_a_country() -> Pair:
    """Head is worse at the north, better at the south, and a little of either in between; the sea has too few."""
    sites = ["north"] * 100 + ["south"] * 100 + ["east"] * 60 + ["west"] * 60 + ["sea"] * (MIN_EXAMPLES - 1)
    base, head = np.ones(len(sites), bool), np.ones(len(sites), bool)
    head[:40] = False
    base[100:130] = False
    base[200:206], head[205:207] = False, False
    base[260:262], head[261:266] = False, False
    return pair_of({"site": sites}, base, head)


def test_every_slice_is_compared_by_itself_and_the_worst_comes_first() -> None:
    pair = sites_of_a_country()
    found = slices(pair, "accuracy")
    assert [(one.value, one.verdict) for one in found] == [
        ("north", "worse"),
        ("west", "no measurable change"),
        ("east", "no measurable change"),
        ("south", "better"),
    ]
    assert {(one.column, one.metric) for one in found} == {("site", "accuracy")}
    for one, (start, end) in zip(found, ((0, 100), (260, 320), (200, 260), (100, 200)), strict=True):
        (expected,) = compare_pairs(pair.take(np.arange(start, end)), ["accuracy"])
        assert (one.examples, one.base, one.head) == (end - start, expected.base, expected.head)
        assert (one.lower, one.upper) == (expected.lower, expected.upper)
        assert one.lower <= one.difference <= one.upper
    raw = sorted(compare_pairs(pair.take(np.arange(*ends)), ["accuracy"])[0].p_value for ends in ((0, 100), (100, 200)))
    assert sorted(one.p_corrected for one in found)[:2] == pytest.approx([4 * raw[0], max(4 * raw[0], 3 * raw[1])])


def test_swapping_the_sides_swaps_the_verdicts() -> None:
    there = {one.value: one for one in slices(sites_of_a_country(), "accuracy")}
    back = {one.value: one for one in slices(swapped(sites_of_a_country()), "accuracy")}
    opposite = {"worse": "better", "better": "worse", "no measurable change": "no measurable change"}
    for value, one in there.items():
        assert back[value].difference == pytest.approx(-one.difference)
        assert back[value].verdict == opposite[one.verdict]


def test_of_a_metric_that_is_better_when_lower_more_is_worse() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.7, 0.9, 200)
    sites = np.array(["north", "south"] * 100, dtype=object)
    worse = np.where(sites == "north", scores - 0.2, scores)
    targets = np.zeros(200, np.int64)
    sides = [
        Predictions(ids(200), "classification", ("a", "b"), targets, targets, np.column_stack([given, 1 - given]),
                    slices={"site": sites})
        for given in (scores, worse)
    ]  # fmt: skip
    found = slices(Pair(*sides), "log_loss")
    assert [(one.value, one.verdict, one.difference > 0) for one in found] == [
        ("north", "worse", True),
        ("south", "no measurable change", False),
    ]


def test_many_numbers_become_quarters() -> None:
    ages = [str(n / 2) for n in range(200)] + ["(missing)"] * 15
    pair = pair_of({"age": ages}, np.ones(215, bool), np.arange(215) % 7 > 0)
    found = {one.value: one.examples for one in slices(pair, "accuracy")}
    assert found == {
        "up to 24.875": 50,
        "24.875 to 49.75": 50,
        "49.75 to 74.625": 50,
        "above 74.625": 50,
        "(missing)": 15,
    }
    few = pair_of({"age": [str(n % 20) for n in range(215)]}, np.ones(215, bool), np.arange(215) % 7 > 0)
    assert {one.value for one in slices(few, "accuracy")} == {str(n) for n in range(20)}
    skewed = pair_of({"n": ["0"] * 180 + [str(n) for n in range(1, 36)]}, np.ones(215, bool), np.ones(215, bool))
    assert {one.value: one.examples for one in slices(skewed, "accuracy")} == {"up to 0": 180, "above 0": 35}


def test_only_the_largest_of_very_many_are_compared() -> None:
    values = [str(f"v{n}") for n in range(300) for _ in range(MIN_EXAMPLES + (n >= 100))]
    found = slices(pair_of({"v": values}, np.ones(len(values), bool), np.ones(len(values), bool)), "accuracy")
    assert len(found) == MAX_SLICES
    assert {one.examples for one in found} == {MIN_EXAMPLES + 1}


def test_a_column_with_one_value_is_no_slice_and_head_says_what_an_example_is() -> None:
    right = np.arange(40) % 3 > 0
    pair = pair_of({"all": ["x"] * 40}, right, right)
    assert slices(pair, "accuracy") == ()
    of_head = np.array(["p", "q"] * 20, dtype=object)
    mixed = Pair(
        dataclasses.replace(pair.base, slices={"site": of_head + "?", "old": of_head}),
        dataclasses.replace(pair.head, slices={"site": of_head}),
    )
    assert {(one.column, one.value) for one in slices(mixed, "accuracy")} == {
        (column, value) for column in ("site", "old") for value in "pq"
    }


def test_a_metric_without_meaning_on_a_slice_leaves_it_out() -> None:
    pair = sites_of_a_country()
    assert slices(pair, "auroc") == ()
    assert slices(pair, "no such metric") == ()


def test_hostile_values_are_cut_to_size() -> None:
    values = ["<b>" * 300, "\u202e@team"] * 20
    found = slices(pair_of({"x" * 900: values}, np.ones(40, bool), np.arange(40) % 2 > 0), "accuracy")
    assert len(found) == 2
    assert all(SliceComparison.model_validate_json(one.model_dump_json()) == one for one in found)
