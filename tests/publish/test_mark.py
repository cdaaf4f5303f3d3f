"""The end of a comment: found where it is ours, and only there."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pawl.errors import InputError
from pawl.publish.mark import (
    MAX_COMMENT_UNITS,
    Stamp,
    body_budget_units,
    check_commit,
    compose,
    normalised,
    stamp_in,
    stamped,
    supersedes,
    utf16_units,
)

COMMITS = st.text("0123456789abcdef", min_size=40, max_size=40)
RUNS = st.integers(1, 10**18 - 1)
STAMPS = st.builds(Stamp, run=RUNS, attempt=st.integers(1, 999_999), commit=COMMITS) | st.builds(
    Stamp, run=st.none(), commit=COMMITS
)
TITLES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}", fullmatch=True)
# Half surrogates too: a file name that is not UTF-8 brings them.
BODIES = st.text(st.characters(exclude_categories=[]), max_size=300)
FORGED = st.builds(lambda text, title, stamp: compose(text, title, stamp), BODIES, TITLES, STAMPS)


@given(BODIES | FORGED, TITLES, STAMPS)
def test_what_is_composed_is_found_again(body: str, title: str, stamp: Stamp) -> None:
    assert stamp_in(compose(body, title, stamp), title) == stamp


@given(BODIES, TITLES, TITLES, STAMPS)
def test_another_title_is_not_ours(body: str, title: str, other: str, stamp: Stamp) -> None:
    assert (stamp_in(compose(body, title, stamp), other) is None) == (title != other)


@given(BODIES, TITLES, STAMPS, st.text(min_size=1).filter(lambda text: text.strip()))
def test_a_mark_that_is_not_at_the_very_end_does_not_count(body: str, title: str, stamp: Stamp, after: str) -> None:
    assert stamp_in(compose(body, title, stamp) + after, title) is None
    assert stamp_in("> " + compose(body, title, stamp).replace("\n", "\n> "), title) is None


@given(BODIES | FORGED, TITLES, STAMPS, STAMPS, st.sampled_from(["", "\n", "\n\n", " "]))
def test_a_forged_end_within_the_report_never_becomes_the_stamp(
    body: str, title: str, forged: Stamp, stamp: Stamp, gap: str
) -> None:
    assert stamp_in(compose(compose(body, title, forged) + gap, title, stamp), title) == stamp


@given(BODIES, TITLES, STAMPS)
def test_line_ends_and_white_space_that_a_store_changes_do_not_matter(body: str, title: str, stamp: Stamp) -> None:
    text = compose(body, title, stamp)
    stored = text.replace("\n", "\r\n") + "\r\n"
    assert stamp_in(stored, title) == stamp
    assert "\r" in body or normalised(stored) == normalised(text)


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    assert stamp_in(text, "pawl") is None


@example("a\0b\ud800", "pawl", Stamp(1, 1, "c" * 40))
@given(BODIES, TITLES, STAMPS)
def test_the_whole_can_be_written_and_has_no_nul(body: str, title: str, stamp: Stamp) -> None:
    text = compose(body, title, stamp)
    assert "\0" not in text
    assert text.encode() == text.encode("utf-8", "surrogatepass")


@given(BODIES, TITLES, STAMPS)
def test_cml_finds_the_mark_and_would_write_the_same_text(body: str, title: str, stamp: Stamp) -> None:
    """CML's own words for it, from its source: the report, two line ends, the mark; and this pattern to find it."""
    text = compose(body, title, stamp)
    mark = f'![](https://cml.dev/watermark.png#{stamp.commit} "CML watermark {title}")'
    assert text == f"{stamped(body, stamp)}\n\n{mark}"
    pattern = rf'!\[\]\(https://cml\.dev/watermark\.png#[0-9a-fA-F]+ "{re.escape("CML watermark " + title)}"\)'
    assert re.search(pattern, text)


@given(BODIES | st.text("😀a", max_size=50))
def test_units_are_utf_16(text: str) -> None:
    assert utf16_units(text) * 2 == len(text.encode("utf-16-le", "surrogatepass"))


@given(TITLES, STAMPS, st.sampled_from(["x", "é", "😀"]))
def test_a_report_within_the_budget_always_fits(title: str, stamp: Stamp, character: str) -> None:
    budget = body_budget_units(title)
    body = character * (budget // utf16_units(character))
    assert utf16_units(compose(body, title, stamp)) <= MAX_COMMENT_UNITS


def test_the_budget_wastes_nothing_on_the_longest_end() -> None:
    longest = Stamp(10**18 - 1, 999_999, "a" * 64)
    text = compose("x" * body_budget_units("pawl"), "pawl", longest)
    assert utf16_units(text) == MAX_COMMENT_UNITS
    with pytest.raises(InputError, match=f"{body_budget_units('pawl'):,}"):
        compose("x" * (body_budget_units("pawl") + 1), "pawl", longest)


@given(STAMPS, STAMPS)
def test_of_two_runs_at_most_one_supersedes(one: Stamp, two: Stamp) -> None:
    assert not (supersedes(one, two) and supersedes(two, one))
    if one.run and two.run and one.order != two.order:
        assert supersedes(one, two) or supersedes(two, one)


@pytest.mark.parametrize("commit", ["", "HEAD", "a" * 39, "a" * 41, "A" * 40, "a" * 40 + "\n", "--> x"])
def test_only_a_full_commit_id_is_one(commit: str) -> None:
    with pytest.raises(InputError, match="rev-parse"):
        check_commit(commit)
