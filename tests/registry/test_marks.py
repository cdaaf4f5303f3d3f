"""What the marks on versions say, in whatever order they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.registry.marks import (
    PROMOTION_PREFIX,
    ROLLBACK_PREFIX,
    Mark,
    candidate,
    champion,
    mark_name,
    marks_of,
    to_roll_back,
)

A, B, C, D = ("abcd"[at] * 40 for at in range(4))
MARKS = st.lists(
    st.builds(
        Mark,
        st.integers(1, 6),
        st.sampled_from([A, B, C]),
        st.integers(1, 4),
        st.sampled_from(["champion", "candidate", "moved"]),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda mark: (mark.order, mark.commit),
)


def tags(*marks: Mark) -> dict[str, str]:
    written = {f"{PROMOTION_PREFIX}{mark.name}": mark.word for mark in marks}
    return written | {f"{ROLLBACK_PREFIX}{mark.name}": "yes" for mark in marks if mark.rolled_back}


@given(MARKS)
def test_marks_are_read_as_they_were_written(marks: list[Mark]) -> None:
    read = [
        mark for version in range(1, 5) for mark in marks_of(version, tags(*(m for m in marks if m.version == version)))
    ]
    assert sorted(read) == sorted(marks)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{PROMOTION_PREFIX}{mark_name(1, A)}", "emperor"),
        (f"{PROMOTION_PREFIX}{mark_name(1, A[1:])}", "champion"),
        (f"{PROMOTION_PREFIX}-1.{A}", "champion"),
        (f"{PROMOTION_PREFIX}1.{A}\n", "champion"),
        (f"x{PROMOTION_PREFIX}{mark_name(1, A)}", "champion"),
        (mark_name(1, A), "champion"),
        ("pawl.package", "champion"),
    ],
)
def test_what_is_no_mark_is_passed_over(key: str, value: str) -> None:
    assert marks_of(1, {key: value}) == []


@given(MARKS, st.randoms())
def test_the_order_in_which_promotions_were_written_does_not_matter(marks: list[Mark], source: object) -> None:
    shuffled = list(marks)
    source.shuffle(shuffled)  # type: ignore[attr-defined]
    assert candidate(shuffled) == candidate(marks)
    assert champion(shuffled) == champion(marks)
    assert to_roll_back(shuffled)[1] == to_roll_back(marks)[1]


@given(MARKS)
def test_the_newest_that_made_it_and_was_not_taken_back_is_champion(marks: list[Mark]) -> None:
    good = [mark for mark in marks if mark.word == "champion" and not mark.rolled_back]
    assert champion(marks) == (sorted(good, key=lambda mark: (mark.order, mark.commit))[-1] if good else None)
    found = champion(marks, before=(4, B))
    assert all(mark.order < 4 or (mark.order == 4 and mark.commit < B) for mark in [found] if mark is not None)


@given(MARKS)
def test_a_rollback_ends_with_another_version_or_none(marks: list[Mark]) -> None:
    present = champion(marks)
    taken, now = to_roll_back(marks)
    assert champion([mark for mark in marks if mark not in taken]) == now
    if present is None:
        assert (taken, now) == ([], None)
    else:
        assert {mark.version for mark in taken} == {present.version}
        assert now is None or (now.version != present.version and now < present)


def test_a_package_that_was_promoted_again_is_taken_back_as_a_whole() -> None:
    """Version 1, then 2, then 1 again twice: back from 1 leads to 2, and back from 2 to 1."""
    marks = [
        Mark(n, commit, version, "champion") for n, commit, version in ((1, A, 1), (2, B, 2), (3, C, 1), (4, D, 1))
    ]
    taken, now = to_roll_back(marks)
    assert [mark.order for mark in taken] == [4, 3]
    assert now == marks[1]
    _, now = to_roll_back([mark for mark in marks if mark not in taken])
    assert now == marks[0]
