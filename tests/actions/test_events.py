"""Who may do what, for every payload that GitHub sends."""

from __future__ import annotations

from typing import Any

import pytest

from pawl.actions.events import decide, dispatched, inside, read_event
from pawl.errors import InputError

OWN = {"full_name": "acme/ct", "default_branch": "main", "private": False}
HEAD = "a" * 40


def pull_request(head_repository: object, login: str = "ann") -> dict[str, Any]:
    head = {"sha": HEAD, "ref": "change", "repo": head_repository}
    request = {"number": 7, "user": {"login": login}, "head": head, "base": {"ref": "main"}}
    return {"repository": OWN, "pull_request": request}


# event, payload -> may train, may read main's remote, is main's own, may write on GitHub
TABLE = {
    "same repository": ("pull_request", pull_request(OWN), (True, True, False, True)),
    "fork": ("pull_request", pull_request({"full_name": "somebody/ct"}), (False, False, False, False)),
    "fork of the same name": ("pull_request", pull_request({"full_name": "acme/ct2"}), (False, False, False, False)),
    "deleted fork": ("pull_request", pull_request(None), (False, False, False, False)),
    "no head at all": ("pull_request", {"repository": OWN, "pull_request": {}}, (False, False, False, False)),
    "no repository": ("pull_request", pull_request(OWN) | {"repository": {}}, (False, False, False, False)),
    "neither has a name": (
        "pull_request",
        pull_request({"full_name": ""}) | {"repository": {"full_name": ""}},
        (False, False, False, False),
    ),
    "bot": ("pull_request", pull_request(OWN, "dependabot[bot]"), (False, False, False, False)),
    "push to main": ("push", {"repository": OWN, "ref": "refs/heads/main"}, (True, True, True, True)),
    "push to a branch": ("push", {"repository": OWN, "ref": "refs/heads/x"}, (True, True, False, True)),
    "tag called as main": ("push", {"repository": OWN, "ref": "refs/tags/main"}, (True, True, False, True)),
    "dispatch": ("workflow_dispatch", {"repository": OWN, "inputs": {}}, (True, True, False, True)),
    "schedule": ("schedule", {"repository": OWN}, (True, True, True, True)),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_decision_table(name: str) -> None:
    event_name, event, expected = TABLE[name]
    found = decide(event_name, event)
    assert (found.may_train, found.is_trusted, found.is_main, found.may_write) == expected
    assert bool(found.reason) is not found.may_train


@pytest.mark.parametrize("name", ["pull_request_target", "issue_comment", "workflow_run", "", "repository_dispatch"])
def test_no_other_event_trains_anything(name: str) -> None:
    with pytest.raises(InputError, match="nothing is trained"):
        decide(name, pull_request(OWN))


def test_a_dispatch_trains_what_was_read_and_nothing_newer() -> None:
    decision = decide("workflow_dispatch", {})
    own = {"number": 7, "state": "open", "head": {"sha": HEAD, "repo": OWN}}
    theirs = own | {"head": {"sha": HEAD, "repo": {"full_name": "somebody/ct"}}}
    gone = own | {"head": {"sha": HEAD, "repo": None}}
    assert dispatched(decision, own, "acme/ct", HEAD) == decision
    for fork in (theirs, gone):
        found = dispatched(decision, fork, "acme/ct", HEAD)
        assert (found.may_train, found.is_trusted, found.is_main) == (True, False, False)
    for pull, commit in ((own, "b" * 40), (own, HEAD[:10]), (own, ""), (own | {"state": "closed"}, HEAD), ({}, HEAD)):
        with pytest.raises(InputError, match=r"not open|read what is new"):
            dispatched(decision, pull, "acme/ct", commit)


@pytest.mark.parametrize("content", [None, "", "[]", "{", '"x"', "[" * 100_000])
def test_an_event_that_is_none_ends_in_one_sentence(tmp_path: Any, content: str | None) -> None:
    path = tmp_path / "event.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError):
        read_event(str(path))
    with pytest.raises(InputError, match="GITHUB_EVENT_PATH"):
        read_event(None)


def test_what_is_no_text_is_not_there() -> None:
    assert inside({"a": {"b": "c"}}, "a", "b") == "c"
    for event in ({}, {"a": None}, {"a": {"b": 1}}, {"a": {"b": ""}}, {"a": []}, None):
        assert inside(event, "a", "b") is None
