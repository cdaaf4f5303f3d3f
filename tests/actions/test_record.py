"""Main's dvc.lock on its way into the repository, against the fake GitHub with faults at every call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.actions.record import BRANCH, record_lock
from pawl.errors import InputError, PawlError
from pawl.publish.environment import Target
from pawl.publish.github_api import GitHubApi
from pawl.publish.retry import Patience
from tests.fakes.github import FakeGitHub
from tests.fakes.github_contents import Contents

SLUG = "acme/ct"
OLD = b"schema: '2.0'\nstages: {}\n"
NEW = b"schema: '2.0'\nstages:\n  train: {cmd: python train.py}\n"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as server:
        server.add_token("t", permissions={"contents": "write", "pull_requests": "write", "statuses": "write"})
        server.add_pull_request(SLUG, 1)
        server.state.contents[SLUG] = Contents(SLUG)
        server.state.contents[SLUG].add_branch("main", {"dvc.lock": OLD})
        yield server


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "dvc.lock"
    path.write_bytes(NEW)
    return path


def record(github: FakeGitHub, lock: Path, mode: str, commit: str | None = None) -> str:
    target = Target(SLUG, None, github.url, "t")
    patience = Patience(request_seconds=2, sleep=lambda seconds: None)
    tip = commit or github.state.contents[SLUG].branches["main"]
    return record_lock(GitHubApi(target, patience, lambda line: None), lock, mode, "main", tip, lambda line: None)  # type: ignore[arg-type]


def test_off_does_nothing(github: FakeGitHub, lock: Path) -> None:
    assert record(github, lock, "off") == "off"
    assert github.requests() == []


def test_push_commits_it_once(github: FakeGitHub, lock: Path) -> None:
    contents = github.state.contents[SLUG]
    assert record(github, lock, "push") == "pushed"
    assert contents.files("main") == {"dvc.lock": NEW}
    assert record(github, lock, "push") == "same"
    assert contents.history("main") == 2


def test_a_pull_request_is_opened_once_and_renewed(github: FakeGitHub, lock: Path) -> None:
    contents = github.state.contents[SLUG]
    assert record(github, lock, "pull-request") == "proposed"
    lock.write_bytes(NEW + b"  evaluate: {cmd: x}\n")
    contents.add_branch("main", {"dvc.lock": OLD, "README.md": b"more"})
    assert record(github, lock, "pull-request") == "proposed"
    assert contents.files(BRANCH) == {"dvc.lock": NEW + b"  evaluate: {cmd: x}\n", "README.md": b"more"}
    assert contents.files("main")["dvc.lock"] == OLD
    assert len([pull for pull in github.state.pulls.values() if pull.head_ref == BRANCH]) == 1
    # No workflow runs for what GITHUB_TOKEN pushed, and a required status would wait for ever.
    status = github.state.statuses[-1]
    assert (status.sha, status.state, status.context) == (contents.branches[BRANCH], "success", "pawl")


def test_a_repository_without_a_lock_gets_one(github: FakeGitHub, lock: Path) -> None:
    github.state.contents[SLUG].add_branch("main", {})
    assert record(github, lock, "push") == "pushed"
    assert github.state.contents[SLUG].files("main") == {"dvc.lock": NEW}


def test_an_older_run_does_not_overwrite_what_a_newer_one_will_record(github: FakeGitHub, lock: Path) -> None:
    assert record(github, lock, "push", commit="c" * 40) == "overtaken"
    assert github.state.contents[SLUG].files("main") == {"dvc.lock": OLD}


def test_a_protected_branch_says_what_to_do(github: FakeGitHub, lock: Path) -> None:
    github.state.contents[SLUG].protected = ("main",)
    with pytest.raises(PawlError):
        record(github, lock, "push")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"stages: {}", b"schema: 1\nstages: {}\nevil: 1", b"\xff", b"a: [", b"x" * 1_000_000]
)
def test_what_is_no_lock_is_not_recorded(github: FakeGitHub, lock: Path, content: bytes) -> None:
    lock.write_bytes(content)
    with pytest.raises(InputError, match=r"no dvc.lock|larger than"):
        record(github, lock, "push")
    assert github.state.contents[SLUG].files("main") == {"dvc.lock": OLD}


def test_a_link_is_not_followed(github: FakeGitHub, tmp_path: Path, lock: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(lock)
    with pytest.raises(InputError, match="is a link"):
        record(github, link, "push")


@pytest.mark.parametrize("how", ["answer", "drop", "truncate"])
@pytest.mark.parametrize("applies", [False, True])
@pytest.mark.parametrize("mode", ["push", "pull-request"])
def test_one_fault_at_any_call_ends_in_the_same(
    github: FakeGitHub, lock: Path, how: str, mode: str, *, applies: bool
) -> None:
    contents = github.state.contents[SLUG]
    record(github, lock, mode)
    for position in range(len(github.requests())):
        contents.add_branch("main", {"dvc.lock": OLD})
        contents.branches.pop(BRANCH, None)
        github.state.pulls = {key: pull for key, pull in github.state.pulls.items() if pull.head_ref != BRANCH}
        fault = github.fault(skip=position, how=how, applies=applies)
        assert record(github, lock, mode) == {"push": "pushed", "pull-request": "proposed"}[mode]
        assert fault.times == 0
        where = "main" if mode == "push" else BRANCH
        assert contents.files(where)["dvc.lock"] == NEW
        proposals = [pull for pull in github.state.pulls.values() if pull.head_ref == BRANCH]
        assert len(proposals) == (mode == "pull-request")
