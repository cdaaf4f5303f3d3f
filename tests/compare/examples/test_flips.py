"""Flips: counted whole, shown by how sure the side was that is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.compare.examples.flips import flips, right_or_wrong, rows_shown
from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import Predictions
from pawl.schema import MAX_FLIPS, MAX_LABELS_COUNTED, Flips
from tests.compare.examples.pairs import ids, one_label, several_labels, swapped


def test_broken_come_first_each_kind_by_the_sureness_of_the_wrong_side() -> None:
    pair = one_label(
        targets=["cat", "cat", "dog", "dog", "dog", "cat"],
        base=["cat", "cat", "cat", "cat", "dog", "dog"],
        head=["dog", "dog", "dog", "dog", "dog", "dog"],
        sureness=([0.6, 0.7, 0.8, 0.9, 0.9, 0.9], [0.65, 0.95, 0.7, 0.6, 0.9, 0.9]),
    )
    found = flips(pair, {1: "AAAA"}.get)
    assert found is not None
    assert (found.broken, found.fixed) == (2, 2)
    assert [(flip.id, flip.kind) for flip in found.shown] == [
        ("e1", "broken"),
        ("e0", "broken"),
        ("e3", "fixed"),
        ("e2", "fixed"),
    ]
    first = found.shown[0]
    assert (first.target, first.base, first.head) == ("cat", "cat", "dog")
    assert (first.base_confidence, first.head_confidence) == (pytest.approx(0.7), pytest.approx(0.95))
    assert [flip.thumbnail for flip in found.shown] == ["AAAA", None, None, None]
    assert [(count.label, count.examples, count.broken, count.fixed) for count in found.per_label] == [
        ("cat", 3, 2, 0),
        ("dog", 3, 0, 2),
    ]


def test_without_scores_the_order_is_the_files() -> None:
    found = flips(one_label(["a", "a", "b"], ["a", "a", "b"], ["b", "b", "a"]))
    assert found is not None
    assert [flip.id for flip in found.shown] == ["e0", "e1", "e2"]
    assert {flip.base_confidence for flip in found.shown} == {None}


def test_an_example_with_several_labels_is_right_when_all_are() -> None:
    targets = [[1, 1, 0], [0, 0, 1], [0, 0, 0]]
    base = [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    head = [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    scores = ([[0.9, 0.7, 0.2]] * 3, [[0.9, 0.2, 0.4]] * 2 + [[0.1, 0.2, 0.6]])
    found = flips(several_labels(targets, base, head, scores))
    assert found is not None
    assert (found.broken, found.fixed) == (2, 1)
    broken, from_nothing, fixed = sorted(found.shown, key=lambda flip: ("e0", "e2", "e1").index(flip.id))
    assert (broken.target, broken.base, broken.head) == ("a|b", "a|b", "a")
    assert (from_nothing.target, from_nothing.head) == ("", "c")
    assert fixed.base == "b|c"
    assert broken.head_confidence == pytest.approx(0.6)
    assert from_nothing.head_confidence == pytest.approx(0.6)
    assert [(count.label, count.examples, count.broken, count.fixed) for count in found.per_label] == [
        ("a", 1, 1, 0),
        ("b", 1, 1, 0),
        ("c", 1, 0, 1),
    ]


def test_numbers_have_no_flips() -> None:
    side = Predictions(ids(2), "regression", (), np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    assert flips(Pair(side, side)) is None
    assert rows_shown(Pair(side, side)) == []


@pytest.mark.parametrize(
    ("broken", "fixed", "shown"),
    [(100, 100, (30, 30)), (100, 5, (55, 5)), (3, 100, (3, 57)), (100, 0, (60, 0)), (2, 3, (2, 3))],
)
def test_half_of_what_is_shown_is_broken_where_there_is_enough(broken: int, fixed: int, shown: tuple[int, int]) -> None:
    pair = one_label(["a"] * (broken + fixed), ["a"] * broken + ["b"] * fixed, ["b"] * broken + ["a"] * fixed)
    found = flips(pair)
    assert found is not None
    kinds = [flip.kind for flip in found.shown]
    assert (kinds.count("broken"), kinds.count("fixed")) == shown
    assert kinds == sorted(kinds)
    assert (found.broken, found.fixed) == (broken, fixed)


LABELS = st.sampled_from("abc")


@given(st.lists(st.tuples(LABELS, LABELS, LABELS, st.floats(0.34, 1), st.floats(0.34, 1)), min_size=1, max_size=150))
def test_counts_add_up_and_swapping_the_sides_swaps_them(rows: list[tuple]) -> None:
    targets, base, head, *sureness = ([*column] for column in zip(*rows, strict=True))
    pair = one_label([*targets, "a", "b", "c"], [*base, *"abc"], [*head, *"abc"],
                     ([*sureness[0], 1, 1, 1], [*sureness[1], 1, 1, 1]))  # fmt: skip
    found, back = flips(pair), flips(swapped(pair))
    assert found is not None
    assert back is not None
    expected = [(t == b, t == h) for t, b, h, *_ in rows]
    assert (found.broken, found.fixed) == (expected.count((True, False)), expected.count((False, True)))
    assert sum(count.broken for count in found.per_label) == found.broken
    assert sum(count.fixed for count in found.per_label) == found.fixed
    assert sum(count.examples for count in found.per_label) == len(rows) + 3
    assert (found.broken, found.fixed) == (back.fixed, back.broken)
    assert len(found.shown) == min(MAX_FLIPS, found.broken + found.fixed)
    for kind, was_right, wrong, column in (
        ("broken", True, "head_confidence", 4),
        ("fixed", False, "base_confidence", 3),
    ):
        shown = {flip.id: getattr(flip, wrong) for flip in found.shown if flip.kind == kind}
        assert list(shown.values()) == sorted(shown.values(), reverse=True)
        flipped = [n for n, right in enumerate(expected) if right == (was_right, not was_right)]
        left_out = [rows[n][column] for n in flipped if f"e{n}" not in shown]
        assert not left_out or max(left_out) <= min(shown.values()) + 1e-12
    assert Flips.model_validate_json(found.model_dump_json()) == found


def test_of_many_classes_those_with_flips_are_counted_first() -> None:
    labels = [f"{n:03}" for n in range(300)]
    head = [*labels[:-1], labels[0]]
    found = flips(one_label(labels, labels, head))
    assert found is not None
    assert len(found.per_label) == MAX_LABELS_COUNTED
    assert found.per_label[-1].label == "299"
    assert found.per_label[-1].broken == 1


def test_right_is_what_the_predictions_say_not_the_scores() -> None:
    pair = one_label(["a", "b"], ["a", "b"], ["a", "b"], ([0.2, 0.2], [0.2, 0.2]))
    right = right_or_wrong(pair)
    assert right is not None
    assert right[0].all()
    assert right[1].all()


def test_hostile_names_are_cut_to_size() -> None:
    long = "<img>" * 5_000
    pair = one_label([long, "b"], [long, "b"], ["b", long])
    found = flips(pair)
    assert found is not None
    assert max(len(flip.target) for flip in found.shown) <= 2_000
