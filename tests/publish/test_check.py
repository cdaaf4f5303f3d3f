"""The verdict as a check run: one for a commit, never an older one over a newer one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.errors import InputError, ServiceError
from pawl.publish import check
from pawl.publish.check import MAX_SUMMARY_UNITS, NAME, set_check
from tests.fakes.github_checks import CheckRun
from tests.publish.desk import COMMIT, TOKEN, Desk
from tests.publish.test_faults import PASSING


@pytest.fixture(autouse=True)
def _may_write(desk: Desk) -> None:
    desk.github.add_token(TOKEN, permissions={"checks": "write"})


def put(desk: Desk, title: str = "Better: accuracy", conclusion: str = "success", **more: Any) -> str:
    patience = more.pop("patience", desk.patience())
    summary, commit = more.pop("summary", "**Better**"), more.pop("commit", COMMIT)
    target = desk.target(**more)
    return set_check(target, commit, conclusion, title, summary, patience=patience)  # type: ignore[arg-type]


def runs(desk: Desk) -> list[CheckRun]:
    return list(desk.github.state.checks.values())


def test_a_check_arrives_whole(desk: Desk) -> None:
    assert put(desk, "Worse: digits accuracy", "failure", summary="line 1\nline 2") == "created"
    (run,) = runs(desk)
    assert (run.repository, run.head_sha, run.name) == ("acme/ct", COMMIT, "pawl report")
    assert (run.status, run.conclusion) == ("completed", "failure")
    assert run.output == {"title": "Worse: digits accuracy", "summary": "line 1\nline 2"}
    assert run.details_url == f"{desk.github.url}/acme/ct/actions/runs/100/attempts/1"


def test_it_has_not_the_name_of_the_required_status() -> None:
    """GitHub would want both to pass, and wait for ever where no check can be made."""
    from pawl.publish.step import TITLE

    assert NAME != TITLE


def test_a_second_attempt_updates_it(desk: Desk) -> None:
    put(desk, "Failed", "failure")
    assert put(desk, "Better", attempt=2) == "updated"
    (run,) = runs(desk)
    assert (run.conclusion, run.output["title"], run.external_id) == ("success", "Better", "pawl run=100 attempt=2")


def test_the_same_again_writes_nothing(desk: Desk) -> None:
    put(desk)
    assert put(desk) == "unchanged"
    assert desk.writes() == ["POST"]


@pytest.mark.parametrize("older", [{"run": 99}, {"run": 100, "attempt": 1}, {"run": 99, "attempt": 9}])
def test_an_older_run_leaves_a_newer_one_alone(desk: Desk, older: dict[str, int]) -> None:
    put(desk, "newer", attempt=2)
    assert put(desk, "older", "failure", **older) == "superseded"
    assert [run.output["title"] for run in runs(desk)] == ["newer"]


def test_a_person_at_the_keyboard_may_overwrite(desk: Desk) -> None:
    put(desk, "a run's")
    assert put(desk, "a person's", run=None) == "updated"
    assert [(run.output["title"], run.external_id) for run in runs(desk)] == [("a person's", "pawl")]


def test_each_commit_has_its_own(desk: Desk) -> None:
    put(desk)
    assert put(desk, commit="d" * 40) == "created"
    assert len(runs(desk)) == 2


@pytest.mark.parametrize(("name", "external_id"), [("build", "pawl run=999 attempt=1"), (NAME, ""), (NAME, "17")])
def test_somebody_elses_is_left_alone(desk: Desk, name: str, external_id: str) -> None:
    theirs = CheckRun(1, "acme/ct", COMMIT, name, "other[bot]", "completed", "success", external_id)
    desk.github.state.checks[1] = theirs
    assert put(desk, conclusion="failure") == "created"
    assert (theirs.updates, theirs.conclusion) == (0, "success")


@pytest.mark.parametrize(("fault", "seconds"), PASSING)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_fault_that_passes_leaves_exactly_one(desk: Desk, method: str, fault: dict[str, Any], seconds: float) -> None:
    if method == "GET" and fault.get("raw") == "[]":
        pytest.skip("a list is no answer of GitHub's, and is refused: the next test")
    if method == "PATCH":
        put(desk, "earlier", run=50)
    scripted = desk.github.fault(method, "/check-runs", **fault)
    put(desk)
    assert scripted.times == 0, "the fault must have happened"
    assert [run.output["title"] for run in runs(desk)] == ["Better: accuracy"]
    assert desk.slept == [seconds]


def test_something_else_at_the_address_is_named(desk: Desk) -> None:
    desk.github.fault("GET", "/check-runs", status=200, raw="[]")
    with pytest.raises(ServiceError, match="check GITHUB_API_URL"):
        put(desk)


def test_a_lost_answer_and_a_lagging_listing_leave_two_that_say_the_same(desk: Desk) -> None:
    """There is no way to delete one."""
    desk.github.state.lag_listings = 1
    desk.github.fault("POST", "/check-runs", how="drop", applies=True)
    put(desk)
    put(desk, "Worse", "failure", attempt=2)
    assert [(run.output["title"], run.conclusion) for run in runs(desk)] == [("Worse", "failure")] * 2


def test_a_listing_that_lags_behind_makes_no_second_one(desk: Desk) -> None:
    desk.github.state.lag_listings = 3
    assert put(desk) == "created"
    assert desk.writes() == ["POST"]


@pytest.mark.parametrize("newer_first", [True, False])
def test_two_runs_at_once_end_with_the_newer(desk: Desk, newer_first: bool) -> None:
    """The other one writes between our look and our write."""
    other = (lambda: put(desk, "newer", run=200)) if newer_first else (lambda: put(desk, "older", "failure", run=50))
    scripted = desk.github.fault("POST", "/check-runs", how="pass", before=other)
    put(desk, "ours")
    assert scripted.times == 0
    put(desk, "newer", run=200)
    assert {run.output["title"] for run in runs(desk)} == {"newer"}


def test_a_token_without_the_permission_is_told_which(desk: Desk) -> None:
    desk.github.add_token("ro", permissions={"checks": "read"})
    with pytest.raises(InputError, match="checks: write"):
        put(desk, token="ro")


def test_a_persons_token_cannot_make_one(desk: Desk) -> None:
    desk.github.add_token("person", login="ann", kind="User", permissions={"checks": "write"})
    with pytest.raises(InputError, match="GitHub App"):
        put(desk, token="person")


def test_a_commit_that_is_none_is_refused_before_any_request(desk: Desk) -> None:
    with pytest.raises(InputError):
        put(desk, commit="main")
    assert desk.github.requests() == []


def test_a_long_title_and_summary_are_taken(desk: Desk) -> None:
    put(desk, "word " * 100, summary="a line of text 🔻\n" * 10_000)
    (run,) = runs(desk)
    assert run.output["title"].endswith("word…")
    assert run.output["summary"].endswith("🔻")
    assert len(run.output["summary"]) > 50_000


@given(st.text(st.characters(), max_size=300))
def test_any_summary_is_within_githubs_limit(text: str) -> None:
    for summary in (text, text * 400):
        kept = check._within_limit(summary)
        assert kept
        assert len(kept.encode("utf-16-le")) // 2 <= MAX_SUMMARY_UNITS
        assert "\0" not in kept
