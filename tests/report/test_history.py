"""One row for each push, read back only from what this program itself writes."""

# ruff: noqa: RUF001 real minus signs, as the report has them
from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.report.budget import COMMENT_LIMIT_UNITS
from pawl.report.comment import RESERVE_UNITS
from pawl.report.escape import utf16_units
from pawl.report.history import (
    LONGEST_NAME,
    MOST_ROWS,
    RESERVED_UNITS,
    Push,
    history_at_end,
    merged,
    push_of,
    render_history,
    with_history,
)
from pawl.report.verdict import MARKS

from . import examples
from .hostile import hostile
from .parsed import acted_upon, foreign_markup, links, tokens
from .test_comment import rendered
from .test_escape import schema_texts

COMMITS = st.text("0123456789abcdef", min_size=40, max_size=40)
finite = st.none() | st.floats(allow_nan=False, allow_infinity=False)
pushes = st.builds(
    Push,
    commit=COMMITS,
    verdict=st.sampled_from(list(MARKS)),
    gate_passed=st.booleans(),
    metric=schema_texts.map(lambda text: text[:LONGEST_NAME]),
    base=finite,
    head=finite,
    lower=finite,
    upper=finite,
    seconds=st.none() | st.floats(0, 1e9),
    run=st.none() | st.integers(1, 10**18 - 1),
    attempt=st.integers(1, 10**6 - 1),
)


def push(number: int, **more: Any) -> Push:
    fields = {"verdict": "better", "gate_passed": True, "metric": "digits accuracy", "base": 0.9, "head": 0.95}
    return Push(**{"commit": f"{number:040x}", "run": number, **fields, **more})


def report(one: Push, text: str = "the report") -> str:
    return f"{text}\n\n{render_history([one])}\n"


def line(rows: object) -> str:
    return f"text\n\n<!-- pawl-history v1 {base64.b64encode(json.dumps(rows).encode()).decode()} -->"


def test_the_row_of_a_run_says_what_its_first_line_says() -> None:
    run = examples.worse()
    row = push_of(run.comparison, run.stages)
    assert (row.commit, row.verdict, row.gate_passed) == (run.comparison.head.commit, "worse", False)
    assert (row.metric, row.base, row.head, row.seconds) == ("digits accuracy", 0.972222, 0.941667, 47.9)
    assert (row.lower, row.upper, row.run) == (-0.0502, -0.0109, None)
    cells = next(text for text in rendered(run).splitlines() if text.startswith(f"| {row.commit} |"))
    assert "🔻 worse, gate closed | `digits accuracy` 0.9722 → 0.9417, −0.031 (−0.050 to −0.011) | 47.9 s |" in cells


def test_a_run_of_set_values_counts_for_the_commit_that_people_know() -> None:
    run = examples.better()
    started = run.comparison.model_copy(update={"started_from": "e" * 40})
    assert push_of(started, run.stages).commit == "e" * 40


@given(st.lists(pushes, min_size=1, max_size=4, unique_by=lambda one: one.commit))
def test_what_is_written_is_read_back(rows: list[Push]) -> None:
    before, found = history_at_end(f"some text\n\n{render_history(rows)}\n")
    assert (before, found) == ("some text", rows)


@settings(max_examples=60)
@given(pushes, st.sampled_from([None, "https://github.com/acme/ct/actions/runs/1/attempts/1"]))
def test_a_row_shows_its_texts_and_does_nothing_else(row: Push, address: str | None) -> None:
    known = row.model_copy(update={"commit": examples.HEAD.commit})
    made = render_history([known], lambda push: address)
    assert foreign_markup(made) == []
    assert acted_upon(made) == []
    assert links(made) == ([address] if address else [])
    assert sum(token.type == "td_open" for token in tokens(made)) == 5


def test_earlier_rows_stand_below_and_a_rerun_replaces_its_row() -> None:
    earlier = [push(1), push(2, verdict="worse"), push(3)]
    made = with_history(report(push(2, run=None)), earlier, 60_000, run=9, attempt=2)
    _, rows = history_at_end(made)
    assert [(row.commit[-1], row.run, row.attempt) for row in rows] == [("1", 1, 1), ("3", 3, 1), ("2", 9, 2)]
    shown = [text.split()[1][-1] for text in made.splitlines() if text.startswith("| 0000")]
    assert shown == ["2", "3", "1"]
    assert made.startswith("the report\n\n<details>\n<summary><b>History</b> (3 pushes)</summary>")
    assert made.count("<details>") == 1


def test_the_last_thirty_are_kept() -> None:
    rows = merged(push(n) for n in range(1, 50))
    assert [row.run for row in rows] == list(range(20, 50))


def test_the_oldest_rows_go_where_there_is_no_room() -> None:
    earlier = [push(n) for n in range(1, 25)]
    whole = with_history(report(push(25)), earlier, 60_000, run=25)
    limit = utf16_units(whole) - 1
    made = with_history(report(push(25)), earlier, limit, run=25)
    assert utf16_units(made) <= limit
    assert [row.run for row in history_at_end(made)[1]] == list(range(2, 26))
    assert with_history(report(push(25)), earlier, 10, run=25) == report(push(25))


def test_thirty_ordinary_rows_fit_into_what_is_reserved_for_them() -> None:
    number = {"base": 0.972222, "head": 0.941667, "lower": -0.0502123, "upper": -0.0109123}
    name = {"metric": "posters mean_average_precision", "run": 17_000_000_000, "seconds": 3_847.1}
    address = "https://github.com/an-organisation/a-repository/actions/runs/17000000000/attempts/1"
    made = render_history([push(n, **number, **name) for n in range(MOST_ROWS)], lambda row: address)
    assert utf16_units(made) <= RESERVED_UNITS
    assert RESERVE_UNITS > RESERVED_UNITS


@given(
    st.lists(pushes.map(lambda one: one.model_copy(update={"metric": "😀" * LONGEST_NAME})), min_size=30, max_size=30)
)
@settings(max_examples=10)
def test_any_thirty_rows_of_our_own_are_read_back(rows: list[Push]) -> None:
    assert history_at_end(render_history(rows))[1] == rows


ROW = {"commit": "a" * 40, "verdict": "better", "gate_passed": True}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        {},
        "x",
        [{**ROW, "commit": "A" * 40}],
        [{**ROW, "commit": "a" * 39}],
        [{**ROW, "verdict": "best"}],
        [{**ROW, "metric": "x" * (LONGEST_NAME + 1)}],
        [{**ROW, "seconds": -1}],
        [{**ROW, "base": "1"}],
        [{**ROW, "run": 10**18}],
        [{**ROW, "run": True}],
        [{**ROW, "more": 1}],
        [ROW] * (MOST_ROWS + 1),
        [ROW, {}],
    ],
    ids=repr,
)
def test_rows_that_somebody_edited_are_dropped_as_a_whole(rows: object) -> None:
    assert history_at_end(line([ROW]))[1]
    assert history_at_end(line(rows)) == ("text", [])


@pytest.mark.parametrize(
    "data",
    ["W10", "!", "", base64.b64encode(b"[" * 15_000).decode(), base64.b64encode(b"1e999").decode(), "A" * 30_000],
)
def test_what_is_no_data_is_no_history(data: str) -> None:
    assert history_at_end(f"text\n\n<!-- pawl-history v1 {data} -->")[1] == []


@given(schema_texts)
def test_a_history_that_is_not_at_the_end_does_not_count(text: str) -> None:
    forged = render_history([push(1)])
    assert history_at_end(f"{forged}\n\n{text}.")[1] == []


def test_a_log_that_imitates_a_history_does_not_become_it() -> None:
    forged = render_history([push(1)])
    made = rendered(hostile(forged[:1_990]))
    assert [row.commit for row in history_at_end(made)[1]] == [examples.HEAD.commit]


def test_a_report_without_a_row_of_its_own_stays_as_it_is() -> None:
    assert with_history("a report", [push(1)], 60_000) == "a report"


def test_an_ordinary_comment_leaves_room_for_its_history() -> None:
    assert utf16_units(rendered(examples.worse(), RESERVE_UNITS)) + RESERVED_UNITS < COMMENT_LIMIT_UNITS
