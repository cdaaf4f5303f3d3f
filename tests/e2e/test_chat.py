"""Commands in comments: carried out for who may, and nothing at all for who may not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.act import Run
from tests.e2e.world import REPOSITORY, SLUG, World

HEAD = "a" * 40


def say(world: World, body: str, login: str, kind: str = "User", *, on_pull_request: bool = True) -> tuple[int, Run]:
    """A comment on pull request 7, and the run that it starts."""
    comment = world.github.add_comment(SLUG, 7, body, login, kind)
    issue: dict[str, Any] = {"number": 7, **({"pull_request": {"url": "x"}} if on_pull_request else {})}
    user = {"login": login, "type": kind}
    event = {
        "action": "created",
        "issue": issue,
        "comment": {"id": comment.id, "body": body, "user": user, "author_association": "MEMBER"},
        "repository": REPOSITORY,
    }
    return comment.id, world.run("issue_comment", event, "hosted", "chat.yml")


@pytest.fixture
def talk(world: World) -> World:
    """A pull request with people around it."""
    world.github.add_pull_request(SLUG, 7, head_sha=HEAD)
    world.github.state.actions.permissions |= {"ann": "write", "max": "maintain", "reader": "read"}
    return world


def test_somebody_with_write_access_starts_a_run_and_gets_a_reaction(talk: World) -> None:
    comment, run = say(talk, "/pawl train train.rate=2 'train.words=a b'\nPlease!", "ann")

    assert run.job("answer").result == "success", run.told()
    [dispatch] = talk.github.state.actions.dispatches
    assert (dispatch.workflow, dispatch.ref) == ("continuous-training.yml", "main")
    assert dispatch.inputs == {
        "overrides": "train.rate=2 'train.words=a b'",
        "force": "false",
        "pull_request": "7",
        "commit": HEAD,
        "dry_run": "false",
    }
    assert talk.github.state.actions.reactions == {comment: [("rocket", "github-actions[bot]")]}


@pytest.mark.parametrize(
    ("body", "login", "kind", "on_pull_request"),
    [
        ("/pawl train", "stranger", "User", True),
        ("/pawl train", "reader", "User", True),
        ("/pawl train", "ann", "Bot", True),
        ("/pawl train", "ann", "User", False),
        ("I would say /pawl train", "ann", "User", True),
        ("/pawlish", "ann", "User", True),
    ],
    ids=["stranger", "reader", "bot", "issue", "quotes it", "another word"],
)
def test_anyone_else_gets_nothing_run_and_no_sign(
    talk: World, body: str, login: str, kind: str, *, on_pull_request: bool
) -> None:
    _, run = say(talk, body, login, kind, on_pull_request=on_pull_request)

    assert run.exit_code == 0, run.told()
    assert talk.github.state.actions.dispatches == []
    assert talk.github.state.actions.reactions == {}


def test_a_command_that_cannot_be_carried_out_says_so(talk: World) -> None:
    comment, run = say(talk, "/pawl trian", "max")

    assert 'did you mean "train"?' in run.told()
    assert talk.github.state.actions.dispatches == []
    assert [content for content, _ in talk.github.state.actions.reactions[comment]] == ["confused"]


def test_a_fork_is_started_only_at_the_commit_that_was_read(talk: World) -> None:
    talk.github.state.pulls[(SLUG, 7)].head_repository = "somebody/ct"
    say(talk, "/pawl train", "ann")
    say(talk, f"/pawl train commit={'b' * 40}", "ann")
    assert talk.github.state.actions.dispatches == []

    say(talk, f"/pawl train commit={HEAD}", "ann")
    [dispatch] = talk.github.state.actions.dispatches
    assert dispatch.inputs["commit"] == HEAD
