"""Who may start a run by a comment, by what GitHub says of them now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pawl.actions.conversation import answer
from pawl.publish.environment import Target
from pawl.publish.github_api import GitHubApi
from pawl.publish.retry import Patience
from tests.fakes.github import FakeGitHub

SLUG, HEAD = "acme/ct", "a" * 40


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as server:
        server.add_token("t", permissions={"actions": "write", "pull_requests": "write"})
        server.add_pull_request(SLUG, 7, head_sha=HEAD)
        yield server


def said(github: FakeGitHub, login: str, body: str = "/pawl train", kind: str = "User", **issue: Any) -> str:
    """What is done about a comment by `login` on pull request 7."""
    comment = github.add_comment(SLUG, 7, body, login, kind)
    event = {
        "action": "created",
        "issue": {"number": 7, "pull_request": {}} | issue,
        # What the event says of the author is of no account: it counts members who may only read.
        "comment": {"id": comment.id, "body": body, "user": {"login": login, "type": kind}}
        | {"author_association": "OWNER"},
        "repository": {"full_name": SLUG, "default_branch": "main"},
    }
    patience = Patience(request_seconds=2, sleep=lambda seconds: None)
    return answer(GitHubApi(Target(SLUG, None, github.url, "t"), patience, lambda line: None), event, lambda line: None)


@pytest.mark.parametrize("permission", ["admin", "maintain", "write"])
def test_who_may_push_may_start_a_run(github: FakeGitHub, permission: str) -> None:
    github.state.actions.permissions["ann"] = permission
    assert said(github, "ann") == "started"
    [dispatch] = github.state.actions.dispatches
    assert (dispatch.workflow, dispatch.ref) == ("continuous-training.yml", "main")
    assert dispatch.inputs["commit"] == HEAD
    [reactions] = github.state.actions.reactions.values()
    assert [content for content, _ in reactions] == ["rocket"]


@pytest.mark.parametrize("permission", [None, "none", "read", "triage", "Write", ""])
def test_nobody_else_gets_anything(github: FakeGitHub, permission: str | None) -> None:
    if permission is not None:
        github.state.actions.permissions["sam"] = permission
    assert said(github, "sam") == "refused"
    assert github.state.actions.dispatches == []
    assert github.state.actions.reactions == {}


def test_a_bot_is_nobody_whatever_it_may(github: FakeGitHub) -> None:
    github.state.actions.permissions["ann"] = "admin"
    assert said(github, "ann", kind="Bot") == "refused"
    assert said(github, "ann", kind="") == "refused"
    assert github.requests() == []


def test_a_name_cannot_lead_the_question_elsewhere(github: FakeGitHub) -> None:
    """Asked of another path, GitHub might answer about somebody else."""
    github.state.actions.permissions["ann"] = "admin"
    for login in ("ann/permission?x=", "../collaborators/ann", "x/../ann", "ann#"):
        assert said(github, login) == "refused"
    assert github.state.actions.dispatches == []


def test_a_comment_on_an_issue_is_no_command(github: FakeGitHub) -> None:
    github.state.actions.permissions["ann"] = "admin"
    assert said(github, "ann", pull_request=None) == "ignored"
    assert said(github, "ann", "Please say /pawl train") == "ignored"
    assert github.requests() == []


def test_a_fork_is_started_only_at_the_commit_that_was_read(github: FakeGitHub) -> None:
    github.state.actions.permissions["ann"] = "write"
    github.state.pulls[(SLUG, 7)].head_repository = "somebody/ct"
    assert said(github, "ann") == "confused"
    assert said(github, "ann", f"/pawl train commit={'b' * 40}") == "confused"
    assert github.state.actions.dispatches == []
    assert said(github, "ann", f"/pawl train commit={HEAD}") == "started"
