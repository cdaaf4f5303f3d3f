"""What a job finds out of its run by itself, and what it is allowed by that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pawl.actions import events
from pawl.actions.events import decide, dispatched
from pawl.actions.outputs import decision_outputs
from pawl.actions.planning import pull_run
from pawl.actions.runs import Run, base_options, current_run, write_outputs
from pawl.actions.wishes import wishes_of
from pawl.errors import InputError
from pawl.pipeline.scopes import scoped_cache
from tests.support.repositories import branch, commit, git, make_repository

OWN = {"full_name": "acme/ct", "default_branch": "main", "private": False}
HEAD, BASE = "a" * 40, "b" * 40
INPUTS = {"pull_request": "7", "commit": HEAD}


def run(folder: Path, name: str, event: dict[str, Any], pull: dict[str, Any] | None = None) -> Run:
    """The run of that event; `pull` is what GitHub says of pull request 7, None: it is not asked."""
    path = folder / "event.json"
    path.write_text(json.dumps({"repository": OWN} | event))
    env = {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": name, "GITHUB_REPOSITORY": "acme/ct"}

    def ask(asked: str) -> dict[str, Any]:
        assert asked == "/repos/acme/ct/pulls/7"
        assert pull is not None
        return pull

    return current_run(env, None if pull is None else ask)


def pull(repository: str = "acme/ct", base: str = "stable") -> dict[str, Any]:
    head = {"sha": HEAD, "repo": {"full_name": repository}}
    return {"number": 7, "state": "open", "head": head, "base": {"ref": base}}


def opened(base: str = "main") -> dict[str, Any]:
    return {"pull_request": {"number": 7, "head": {"sha": HEAD, "repo": OWN}, "base": {"sha": BASE, "ref": base}}}


def test_a_dispatch_is_trusted_as_far_as_github_says_whose_commit_it_is(tmp_path: Path) -> None:
    dispatched = {"inputs": INPUTS}
    assert run(tmp_path, "workflow_dispatch", dispatched, pull()).decision.is_trusted
    assert not run(tmp_path, "workflow_dispatch", dispatched, pull("somebody/ct")).decision.is_trusted
    # A step that may not ask takes it for a stranger's.
    assert not run(tmp_path, "workflow_dispatch", dispatched).decision.is_trusted
    assert run(tmp_path, "workflow_dispatch", {"inputs": {}}).decision.is_trusted
    with pytest.raises(InputError, match="read what is new"):
        run(tmp_path, "workflow_dispatch", {"inputs": INPUTS | {"commit": BASE}}, pull())


@pytest.mark.parametrize("name", ["main", HEAD[:10], HEAD.upper(), f"{HEAD}\n", "-x"])
def test_only_a_full_id_names_what_was_read(name: str) -> None:
    """Even where it is what GitHub calls the head: a name can be made to mean something else a moment later."""
    named = pull()
    named["head"]["sha"] = name
    with pytest.raises(InputError, match="read what is new"):
        dispatched(decide("workflow_dispatch", {}), named, "acme/ct", name)


@pytest.mark.parametrize("name", ["base", "data_revision", "tasks"])
@pytest.mark.parametrize("value", ["-x", "--upload-pack=x", "+refs/heads/x", "/x", ".x", "a..b", "a@{1}", "x.lock"])
def test_no_wish_can_be_taken_for_an_option_or_a_refspec(name: str, value: str) -> None:
    if name == "tasks" and value in ("a..b", "x.lock"):
        assert wishes_of({name: value}).tasks == (value,)  # a task's name goes nowhere but into params.yaml
        return
    with pytest.raises(InputError, match=name):
        wishes_of({name: value})


def test_the_base_is_the_branch_that_github_names(tmp_path: Path) -> None:
    assert run(tmp_path, "workflow_dispatch", {"inputs": INPUTS}, pull()).base_branch == "stable"
    assert run(tmp_path, "pull_request", opened("release/2")).base_branch == "release/2"
    assert run(tmp_path, "push", {}).base_branch == "main"


@pytest.mark.parametrize("name", ["-x", "--upload-pack=touch x", "+a:b", "a b", "a:b", "a\n", "a~1", "x^", "[a", "*"])
def test_no_branch_has_a_name_that_git_takes_for_more(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="a name that git could take for something else"):
        run(tmp_path, "pull_request", opened(name))


def test_inputs_count_for_a_dispatch_alone(tmp_path: Path) -> None:
    assert run(tmp_path, "workflow_dispatch", {"inputs": {"force": "true"}}).wishes.force
    assert not run(tmp_path, "push", {"inputs": {"force": "true"}}).wishes.force


def test_only_what_is_about_the_commit_as_it_is_decides_its_gate(tmp_path: Path) -> None:
    assert run(tmp_path, "pull_request", opened()).decides_gate
    assert run(tmp_path, "workflow_dispatch", {"inputs": INPUTS}, pull()).decides_gate
    assert not run(tmp_path, "workflow_dispatch", {"inputs": INPUTS | {"overrides": "a=1"}}, pull()).decides_gate
    fork = opened()
    fork["pull_request"]["head"]["repo"] = {"full_name": "somebody/ct"}
    assert not run(tmp_path, "pull_request", fork).decides_gate


def test_a_status_is_about_the_head_and_not_about_githubs_merge(tmp_path: Path) -> None:
    assert run(tmp_path, "pull_request", opened()).about == HEAD
    assert run(tmp_path, "workflow_dispatch", {"inputs": INPUTS}, pull()).about == HEAD
    assert run(tmp_path, "push", {}).about is None


def test_a_push_is_measured_against_what_was_before_where_that_is_known(tmp_path: Path) -> None:
    found = run(tmp_path, "push", {"before": BASE})
    assert base_options(found, lambda commit: True) == [f"--base={BASE}"]
    assert base_options(found, lambda commit: False) == ["--base=HEAD", "--all"]
    for before in ("0" * 40, "--upload-pack=x", "", None):
        found = run(tmp_path, "push", {"before": before})
        assert base_options(found, lambda commit: True) == ["--base=HEAD", "--all"]


def test_an_output_is_one_line_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "output"
    write_outputs({"GITHUB_OUTPUT": str(path)}, {"a": "x\ntrusted=true", "b": "y\r\n"})
    assert path.read_text() == "a=x trusted=true\nb=y\n"
    with pytest.raises(InputError, match="GITHUB_OUTPUT"):
        write_outputs({}, {})


def test_an_event_larger_than_any_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENT_BYTES", 10)
    with pytest.raises(InputError, match="larger than any"):
        run(tmp_path, "push", {})


@pytest.mark.parametrize(
    ("name", "private", "reuse", "cache"),
    [
        ("push", False, None, "main"),
        ("push", True, None, "pull-requests"),
        ("push", True, False, "main"),
        ("push", False, True, "pull-requests"),
        ("schedule", False, None, "main"),
        ("pull_request", False, None, "pull-requests"),
        ("pull_request", True, None, "pull-requests"),
        ("pull_request", False, False, "pull-requests"),
        ("workflow_dispatch", False, None, "pull-requests"),
    ],
)
def test_which_cache_a_run_uses(tmp_path: Path, name: str, private: bool, reuse: bool | None, cache: str) -> None:
    if reuse is not None:
        (tmp_path / "pawl.yaml").write_text(f"promote: {{reuse: {str(reuse).lower()}}}\n")
    event = {**opened(), "ref": "refs/heads/main", "repository": OWN | {"private": private}}
    assert decision_outputs(run(tmp_path, name, event), tmp_path)["cache"] == cache


def test_a_job_is_told_that_a_dispatched_fork_is_not_trusted(tmp_path: Path) -> None:
    told = decision_outputs(run(tmp_path, "workflow_dispatch", {"inputs": INPUTS}, pull("somebody/ct")), tmp_path)
    assert (told["may_train"], told["trusted"], told["main"], told["cache"]) == (
        "true", "false", "false", "pull-requests",
    )  # fmt: skip


def test_a_cache_has_two_parts_and_no_third() -> None:
    assert scoped_cache("/c", {}) == "/c"
    assert scoped_cache("/c", {"PAWL_CACHE": ""}) == "/c"
    assert scoped_cache("/c", {"PAWL_CACHE": "main"}) == "/c/main"
    assert scoped_cache("/c", {"PAWL_CACHE": "pull-requests"}) == "/c/pull-requests"
    # Base's checkout is told head's cache, which is a part already.
    assert scoped_cache("/c/main", {"PAWL_CACHE": "main"}) == "/c/main"
    for scope in ("../main", "main/..", "x", "/main", "MAIN"):
        with pytest.raises(InputError, match="PAWL_CACHE"):
            scoped_cache("/c", {"PAWL_CACHE": scope})


def test_settings_are_held_against_githubs_branch_and_not_one_that_the_code_names(tmp_path: Path) -> None:
    """Else a branch could change `.dvc/config` and name itself as its base."""
    root = make_repository(tmp_path / "repository")
    branch(root, "theirs", {".dvc/config": "[core]\n    remote = theirs\n"})
    branch(root, "change", {"pawl.yaml": "base: theirs\n"})
    with pytest.raises(InputError, match=r"changes \.dvc/config"):
        pull_run(run(tmp_path, "pull_request", opened()), root, use_remote=False, say=lambda line: None)
    git(root, "checkout", "--quiet", "main")
    commit(root, "Main's own", {"data.txt": "a b c d\n"})
    # A folder whose name only ends as DVC's own does is anybody's.
    branch(root, "honest", {"params.yaml": "train:\n  rate: 2.0\n", "x.dvc/config.local": "x"})
    pull_run(run(tmp_path, "pull_request", opened()), root, use_remote=False, say=lambda line: None)
