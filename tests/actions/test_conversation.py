"""Answers to comments when GitHub has a bad day: a run is started once or not, and never twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pawl.actions.conversation import answer
from pawl.errors import PawlError
from pawl.publish.environment import Target
from pawl.publish.github_api import GitHubApi
from pawl.publish.retry import Patience
from tests.fakes.github import FakeGitHub

SLUG = "acme/ct"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as server:
        server.add_token("t", permissions={"actions": "write", "pull_requests": "write"})
        server.add_pull_request(SLUG, 7)
        server.state.actions.permissions["ann"] = "write"
        yield server


def event(github: FakeGitHub, body: str = "/pawl train", **more: Any) -> dict[str, Any]:
    comment = github.add_comment(SLUG, 7, body, "ann")
    said = {"id": comment.id, "body": body, "user": {"login": "ann", "type": "User"}}
    issue = {"number": 7, "pull_request": {}}
    return {"action": "created", "issue": issue, "comment": said, "repository": {"default_branch": "main"}} | more


def carry_out(github: FakeGitHub, what: dict[str, Any]) -> str:
    patience = Patience(request_seconds=2, sleep=lambda seconds: None)
    return answer(GitHubApi(Target(SLUG, None, github.url, "t"), patience, lambda line: None), what, lambda line: None)


def test_an_edited_or_deleted_comment_starts_nothing(github: FakeGitHub) -> None:
    for action in ("edited", "deleted", None):
        assert carry_out(github, event(github, action=action)) == "ignored"
    assert github.requests() == []


def test_a_pull_request_that_is_closed_starts_nothing(github: FakeGitHub) -> None:
    github.state.pulls[(SLUG, 7)].state = "closed"
    assert carry_out(github, event(github)) == "confused"
    assert github.state.actions.dispatches == []


@pytest.mark.parametrize("payload", [{}, {"comment": None}, {"issue": []}, {"comment": {"body": "/pawl train"}}])
def test_a_payload_that_lacks_something_starts_nothing(github: FakeGitHub, payload: dict[str, Any]) -> None:
    assert carry_out(github, {"action": "created"} | payload) == "ignored"


def test_where_permissions_cannot_be_seen_nobody_has_any(github: FakeGitHub) -> None:
    github.fault("GET", "permission", status=403)
    assert carry_out(github, event(github)) == "refused"
    assert github.state.actions.dispatches == []


@pytest.mark.parametrize("how", ["answer", "drop", "truncate"])
@pytest.mark.parametrize("applies", [False, True])
def test_a_fault_at_any_call_never_starts_two_runs(github: FakeGitHub, how: str, *, applies: bool) -> None:
    carry_out(github, event(github))
    calls = len(github.requests())
    assert calls == 4
    for position in range(calls):
        github.state.actions.dispatches.clear()
        fault = github.fault(skip=position, how=how, applies=applies)
        try:
            outcome = carry_out(github, event(github))
        except PawlError as error:
            outcome = str(error)
        assert outcome == "started" or "look under Actions" in outcome
        assert fault.times == 0
        assert len(github.state.actions.dispatches) <= 1
