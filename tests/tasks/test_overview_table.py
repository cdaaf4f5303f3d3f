"""The table of `tasks overview` itself: what a cell may hold, and where it ends."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.overview.commits import Commit
from tasks.overview.rows import MAX_VALUES, Row
from tasks.overview.table import make_overview, to_csv, to_json, to_markdown, to_rich


def test_a_file_that_stands_for_too_many_values_is_not_read_to_its_end():
    from tasks.overview.rows import _flatten, _UnreadableError

    block: Any = "x"
    for _ in range(60):
        block = {"a": block, "b": block}
    with pytest.raises(_UnreadableError):
        dict(_flatten(block))
    assert len(dict(_flatten({str(i): i for i in range(MAX_VALUES - 1)}))) == MAX_VALUES - 1


def row(subject: str = "s", task: str = "t", **changes: Any) -> Row:
    return Row(Commit("a" * 40, ("main",), "2026-01-01", subject), task, **changes)


@given(st.text(max_size=80), st.text(max_size=80))
def test_nothing_in_a_commit_can_leave_its_cell_or_command_a_terminal(subject, value):
    table = make_overview([row(subject, params={"p": value}), row("other", params={"p": None})], all_params=True)
    lines = to_markdown(table).split("\n")
    assert len(lines) == 5
    assert len({line.count("|") for line in lines[:-1]}) == 1
    assert not any(ord(char) < 32 or char in "<`\x7f\x9b\u202e" for line in lines for char in line)
    parsed = list(csv.reader(io.StringIO(to_csv(table))))
    assert [len(line) for line in parsed] == [7, 7, 7]
    assert json.loads(to_json(table))[0]["subject"] == subject
    assert "\x1b" not in "".join(cell.plain for column in to_rich(table).columns for cell in column.cells)


def test_a_table_for_a_terminal_has_no_empty_columns_and_a_line_between_tasks():
    rows = [row(task="b", metrics={"accuracy": 0.98765}), row(task="a"), row(task="b", metrics={"loss": 0.00012345})]
    table = to_rich(make_overview(rows, all_params=False))
    headers = [column.header.plain for column in table.columns]
    assert headers == ["commit", "names", "date", "subject", "task", "accuracy", "loss"]
    cells = [[cell.plain for cell in column.cells] for column in table.columns]
    assert cells[4:] == [["b", "b", "a"], ["0.9877", "", ""], ["", "0.000123", ""]]
    assert [line.end_section for line in table.rows] == [False, True, False]


def test_true_and_one_and_absent_are_three_values():
    for one, other in (({"p": True}, {"p": 1}), ({"p": None}, {"q": 1}), ({"p": 1}, {"p": 1.0})):
        assert "p" in make_overview([row(params=one), row(params=other)], all_params=False).params
    assert make_overview([row(params={"p": 1}), row(params={"p": 1})], all_params=False).params == ()
