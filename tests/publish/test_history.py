"""The comment keeps a row for every push, whoever wrote it last."""

from __future__ import annotations

import re
from typing import Any

from pawl.publish.mark import MAX_COMMENT_UNITS, body_budget_units, report_in, stamp_in, utf16_units
from pawl.report.history import Push, history_at_end, render_history
from tests.publish.desk import Desk
from tests.publish.test_cml import CmlDesk, cml_desk  # noqa: F401 a fixture


def sha(number: int) -> str:
    """A commit that tests can tell from others."""
    return f"{number:040x}"


def report(number: int, text: str = "the report", **more: Any) -> str:
    fields = {"verdict": "better", "gate_passed": True, "metric": "digits accuracy", "base": 0.9, "head": 0.95}
    row = Push(**{"commit": sha(number), **fields, **more})
    return f"{text}\n\n{render_history([row])}\n"


def rows(body: str, title: str = "pawl") -> list[tuple[int, int | None, int]]:
    """(commit, run, attempt) of each row in a comment."""
    found = history_at_end(report_in(body, title))[1]
    return [(int(row.commit, 16), row.run, row.attempt) for row in found]


def test_every_push_leaves_its_row_and_a_link_to_its_run(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.post(report(number), commit=sha(number), run=100 + number)
    (body,) = desk.bodies()
    assert rows(body) == [(1, 101, 1), (2, 102, 1), (3, 103, 1)]
    links = re.findall(r"\[run\]\((.*?)\)", body)
    assert links == [f"{desk.github.url}/acme/ct/actions/runs/{run}/attempts/1" for run in (103, 102, 101)]
    assert body.count("<b>History</b> (3 pushes)") == 1
    assert body.count("pawl-history v1") == 1


def test_a_row_names_the_pushed_commit_and_not_its_merge_with_base(desk: Desk) -> None:
    desk.post(report(1), commit=sha(7), run=101)
    desk.post(report(2), commit=sha(7), run=102)
    assert rows(desk.bodies()[0]) == [(7, 102, 1)]


def test_a_rerun_of_a_commit_replaces_its_row(desk: Desk) -> None:
    desk.post(report(1), commit=sha(1), run=101)
    desk.post(report(2), commit=sha(2), run=102)
    desk.post(report(2, verdict="worse"), commit=sha(2), run=102, attempt=2)
    (body,) = desk.bodies()
    assert rows(body) == [(1, 101, 1), (2, 102, 2)]
    assert "🔻 worse" in body


def test_the_same_report_again_writes_nothing(desk: Desk) -> None:
    desk.post(report(1), commit=sha(1), run=101)
    desk.post(report(2), commit=sha(2), run=102)
    assert desk.post(report(2), commit=sha(2), run=102).action == "unchanged"
    assert desk.writes() == ["POST", "PATCH"]


def test_another_run_writes_between_our_first_look_and_our_write(desk: Desk) -> None:
    """The write fails, so that we look again: the row of the run in between is in the comment that we then write."""
    desk.post(report(1), commit=sha(1), run=101)
    desk.github.fault("PATCH", how="answer", status=502, before=lambda: desk.post(report(2), commit=sha(2), run=102))
    desk.post(report(3), commit=sha(3), run=103)
    (body,) = desk.bodies()
    assert rows(body) == [(1, 101, 1), (2, 102, 1), (3, 103, 1)]


def test_rows_of_duplicates_are_put_together(desk: Desk) -> None:
    desk.post(report(1), commit=sha(1), run=101)
    (first,) = desk.bodies()
    desk.github.state.comments.clear()
    desk.post(report(2), commit=sha(2), run=102)
    desk.add(first)
    desk.post(report(3), commit=sha(3), run=103)
    (body,) = desk.bodies()
    assert rows(body) == [(1, 101, 1), (2, 102, 1), (3, 103, 1)]


def test_rows_in_others_comments_are_not_taken(desk: Desk) -> None:
    desk.post(report(1), commit=sha(1), run=101)
    (ours,) = desk.bodies()
    desk.github.state.comments.clear()
    desk.add(ours, "mallory")
    desk.post(report(2), commit=sha(2), run=102)
    assert rows(desk.bodies()[-1]) == [(2, 102, 1)]


def test_rows_that_somebody_edited_are_dropped_and_the_comment_is_written(desk: Desk) -> None:
    posted = desk.post(report(1), commit=sha(1), run=101)
    comment = desk.github.state.comments[posted.comment_id]
    comment.body = re.sub(r"v1 \S+", "v1 W3siY29tbWl0IjoieCJ9XQ==", comment.body)
    desk.post(report(2), commit=sha(2), run=102)
    (body,) = desk.bodies()
    assert rows(body) == [(2, 102, 1)]


def test_a_long_report_keeps_as_many_rows_as_fit(desk: Desk) -> None:
    for number in range(1, 9):
        desk.post(report(number), commit=sha(number), run=100 + number)
    text = "x" * (body_budget_units("pawl") - 1_500)
    desk.post(report(9, text), commit=sha(9), run=109)
    (body,) = desk.bodies()
    assert utf16_units(body) <= MAX_COMMENT_UNITS
    kept = [number for number, _, _ in rows(body)]
    assert kept == list(range(10 - len(kept), 10))
    assert 1 <= len(kept) < 9


def test_cml_keeps_the_rows_too(cml_desk: CmlDesk) -> None:  # noqa: F811
    cml_desk.post(report(1), commit=sha(1), run=101)
    cml_desk.post(report(2), commit=sha(2), run=102, via="api")
    posted = cml_desk.post(report(3), commit=sha(3), run=103)
    assert (posted.via, posted.action) == ("cml", "updated")
    (body,) = cml_desk.bodies()
    assert rows(body) == [(1, 101, 1), (2, 102, 1), (3, 103, 1)]
    assert stamp_in(body, "pawl") is not None
    server = cml_desk.github.url
    assert f"[run]({server}/acme/ct/actions/runs/101/attempts/1)" in body
