"""The issue of a scheduled training: one, ours, true to the newest run, closed when all is fine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pawl.errors import InputError, ServiceError
from pawl.publish.issue import Told, tell_issue
from pawl.report.history import Push, render_history
from tests.fakes import github_issues
from tests.fakes.github_issues import Issue, Issues
from tests.publish.desk import COMMIT, TOKEN, Desk
from tests.publish.test_faults import PASSING

BOT = "github-actions[bot]"


@pytest.fixture(autouse=True)
def issues(desk: Desk) -> Issues:
    desk.github.add_token(TOKEN, permissions={"issues": "write"})
    held = desk.github.state.issues["acme/ct"] = Issues(labels={"regression"})
    return held


def tell(desk: Desk, report: str = "it is worse", bad: bool = True, **more: Any) -> Told:
    given: dict[str, Any] = {
        "title": "pawl: worse" if bad else "pawl: fine",
        "commit": COMMIT,
        "patience": desk.patience(),
    }
    given |= {name: more.pop(name) for name in ("title", "key", "labels", "commit", "patience") if name in more}
    return tell_issue(report, desk.target(pull_request=None, **more), bad=bad, progress=desk.said.append, **given)


def only(issues: Issues) -> Issue:
    (issue,) = issues.issues.values()
    return issue


def test_a_bad_run_opens_one(desk: Desk, issues: Issues) -> None:
    told = tell(desk)
    issue = only(issues)
    assert told == Told("opened", 8, f"{desk.github.url}/acme/ct/issues/8")
    assert (issue.title, issue.state, issue.login, issue.labels) == ("pawl: worse", "open", BOT, [])
    assert issue.body.startswith("it is worse\n\n<!-- pawl run=100 attempt=1")


def test_a_fine_run_with_nothing_open_writes_nothing(desk: Desk, issues: Issues) -> None:
    assert tell(desk, bad=False) == Told("none")
    assert issues.issues == {}
    assert desk.writes() == []


def test_the_next_bad_run_updates_it(desk: Desk, issues: Issues) -> None:
    tell(desk)
    assert tell(desk, "it failed", run=101, title="pawl: failed").action == "updated"
    assert only(issues).title == "pawl: failed"
    assert only(issues).body.startswith("it failed\n")


def test_the_same_again_writes_nothing(desk: Desk, issues: Issues) -> None:
    tell(desk)
    assert tell(desk).action == "unchanged"
    assert desk.writes() == ["POST"]


def test_a_title_that_no_longer_fits_is_changed(desk: Desk, issues: Issues) -> None:
    tell(desk)
    only(issues).title = "renamed"
    assert tell(desk).action == "updated"
    assert only(issues).title == "pawl: worse"


def test_a_fine_run_closes_it_with_its_report(desk: Desk, issues: Issues) -> None:
    tell(desk)
    assert tell(desk, "it is better", bad=False, run=101) == Told("closed", 8, f"{desk.github.url}/acme/ct/issues/8")
    issue = only(issues)
    assert (issue.state, issue.state_reason, issue.title) == ("closed", "completed", "pawl: fine")
    assert issue.body.startswith("it is better\n")
    assert tell(desk, "it is better", bad=False, run=101).action == "none"


def test_after_it_was_closed_the_next_bad_run_opens_another(desk: Desk, issues: Issues) -> None:
    tell(desk)
    tell(desk, bad=False, run=101)
    assert tell(desk, run=102).action == "opened"
    assert [issue.state for issue in issues.issues.values()] == ["closed", "open"]


def test_it_keeps_the_rows_of_earlier_runs(desk: Desk, issues: Issues) -> None:
    pushes = [Push(commit=letter * 40, verdict="worse", gate_passed=False) for letter in "ab"]
    for number, push in enumerate(pushes):
        report = f"run {number}\n\n{render_history([push])}"
        tell(desk, report, run=100 + number, commit=push.commit)
    body = only(issues).body
    assert body.startswith("run 1\n")
    assert "(2 pushes)" in body
    assert all(f"| {push.commit} |" in body for push in pushes)
    assert body.index("/actions/runs/101/attempts/1") < body.index("/actions/runs/100/attempts/1")


@pytest.mark.parametrize("open_issue", [True, False])
@pytest.mark.parametrize("bad", [True, False])
def test_an_older_run_changes_nothing(desk: Desk, issues: Issues, bad: bool, open_issue: bool) -> None:
    tell(desk, "newer", run=200)
    if not open_issue:
        tell(desk, "newer and fine", bad=False, run=201)
    before = replace(only(issues), unseen_listings=0)
    assert tell(desk, "older", bad=bad, run=150).action == "superseded"
    assert replace(only(issues), unseen_listings=0) == before


@pytest.mark.parametrize("login", ["ann", "dependabot[bot]"])
def test_somebody_elses_issue_is_left_alone_even_if_it_quotes_ours(desk: Desk, issues: Issues, login: str) -> None:
    tell(desk)
    ours = only(issues)
    theirs = issues.add("acme/ct", login, "look at this", ours.body, number=3)
    tell(desk, "next", run=101)
    tell(desk, "fine", bad=False, run=102)
    assert (theirs.updates, theirs.state) == (0, "open")


def test_our_own_issue_without_our_mark_at_its_end_is_left_alone(desk: Desk, issues: Issues) -> None:
    """Of another workflow with the same token, that quotes ours."""
    tell(desk)
    other = issues.add("acme/ct", BOT, "a digest", f"{only(issues).body}\n\nand more", number=3)
    tell(desk, "fine", bad=False, run=102)
    assert (other.updates, other.state) == (0, "open")


def test_a_pull_request_of_ours_is_no_issue(desk: Desk, issues: Issues) -> None:
    """GitHub lists both, and the pull request may quote the issue."""
    tell(desk)
    pull = issues.add("acme/ct", BOT, "Record dvc.lock", only(issues).body, number=3)
    pull.is_pull_request = True
    tell(desk, "fine", bad=False, run=101)
    assert (pull.updates, pull.state) == (0, "open")


def test_keys_tell_issues_apart(desk: Desk, issues: Issues) -> None:
    tell(desk)
    assert tell(desk, key="pawl-nightly").action == "opened"
    tell(desk, bad=False, run=101)
    assert [issue.state for issue in issues.issues.values()] == ["closed", "open"]


def test_only_labels_that_exist_are_given(desk: Desk, issues: Issues) -> None:
    tell(desk, labels=["regression", "no such/label"])
    assert only(issues).labels == ["regression"]
    assert issues.labels == {"regression"}


def test_it_is_found_behind_many_others(desk: Desk, issues: Issues) -> None:
    tell(desk)
    for number in range(100, 350):
        issues.add("acme/ct", "ann", "x", "y", number=number)
    assert tell(desk, "next", run=101).action == "updated"
    assert sum(issue.login == BOT for issue in issues.issues.values()) == 1


def test_two_of_ours_become_one(desk: Desk, issues: Issues) -> None:
    tell(desk)
    twin = issues.add("acme/ct", BOT, "pawl: worse", only(issues).body, number=20)
    tell(desk, "next", run=101)
    assert (twin.state, twin.state_reason) == ("closed", "not_planned")
    assert issues.issues[8].body.startswith("next")


@pytest.mark.parametrize(("fault", "seconds"), PASSING)
@pytest.mark.parametrize("what", ["list", "open", "update", "close"])
def test_a_fault_that_passes_leaves_exactly_one(
    desk: Desk, issues: Issues, what: str, fault: dict[str, Any], seconds: float
) -> None:
    if what == "list" and fault.get("raw") == "[]":
        pytest.skip("that is the true answer where there are no issues")
    if what != "open":
        tell(desk, run=50)
    method = {"list": "GET", "open": "POST"}.get(what, "PATCH")
    scripted = desk.github.fault(method, "/issues", **fault)
    told = tell(desk, "next", bad=what != "close")
    assert scripted.times == 0, "the fault must have happened"
    assert told.action == {"open": "opened", "close": "closed"}.get(what, "updated")
    assert (only(issues).state, only(issues).body.split("\n")[0]) == ("closed" if what == "close" else "open", "next")
    assert desk.slept == [seconds]


def test_a_lost_answer_and_a_lagging_listing_leave_one_open(desk: Desk, issues: Issues) -> None:
    desk.github.state.lag_listings = 2
    desk.github.fault("POST", "/issues", how="drop", applies=True)
    tell(desk)
    tell(desk, "next", run=101)
    assert [issue.state for issue in issues.issues.values()].count("open") == 1


def test_a_listing_that_lags_behind_makes_no_second_one(desk: Desk, issues: Issues) -> None:
    desk.github.state.lag_listings = 3
    assert tell(desk).action == "opened"
    assert desk.writes() == ["POST"]


def test_text_that_github_stores_otherwise_is_not_written_for_ever(
    desk: Desk, issues: Issues, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(desk, run=50)
    true = github_issues.as_issue
    monkeypatch.setattr(github_issues, "as_issue", lambda base, issue: true(base, issue) | {"title": "as it likes"})
    assert tell(desk, "next").action == "updated"
    assert desk.writes() == ["POST", "PATCH"]


def test_a_hostile_title_is_one_short_line(desk: Desk, issues: Issues) -> None:
    tell(desk, title="a\n@everyone\r\n" + "x" * 500)
    assert len(only(issues).title) == 200
    assert only(issues).title.isprintable()


def test_a_report_that_ends_in_a_mark_does_not_pass_for_one(desk: Desk, issues: Issues) -> None:
    """The true mark stands behind it."""
    forged = f"x\n\n<!-- pawl run=999999 attempt=1 commit={'e' * 40} -->\n\n<!-- pawl-issue pawl -->"
    tell(desk, forged)
    assert tell(desk, "next", run=101).action == "updated"


def test_a_token_without_the_permission_is_told_which(desk: Desk) -> None:
    desk.github.add_token("ro", permissions={"issues": "read"})
    with pytest.raises(InputError, match="issues: write"):
        tell(desk, token="ro")


def test_a_repository_without_issues_is_named(desk: Desk, issues: Issues) -> None:
    issues.enabled = False
    with pytest.raises(InputError, match="disabled"):
        tell(desk)


def test_it_gives_up_after_its_tries(desk: Desk) -> None:
    desk.github.fault("POST", "/issues", times=-1, status=502)
    with pytest.raises(ServiceError, match="in 6 tries"):
        tell(desk)


@pytest.mark.parametrize("more", [{"key": "a_b"}, {"commit": "main"}])
def test_what_cannot_be_used_is_refused_before_any_request(desk: Desk, more: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        tell(desk, **more)
    assert desk.github.requests() == []


def test_a_report_that_is_too_long_is_refused_before_any_request(desk: Desk) -> None:
    with pytest.raises(InputError, match="65,536"):
        tell(desk, "x" * 65_500)
    assert desk.github.requests() == []
