"""What one run is about, by the environment of a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pawl.actions.outputs import decision_outputs
from pawl.actions.runs import Run, base_options, current_run, newest_data_revision, write_outputs
from pawl.errors import InputError

BEFORE = "0123456789abcdef0123456789abcdef01234567"
OWN = {"full_name": "acme/ct", "default_branch": "main", "private": False}


def run_of(tmp_path: Path, name: str, event: dict[str, Any], pull: dict[str, Any] | None = None) -> Run:
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"repository": OWN} | event))
    env = {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": name, "GITHUB_REPOSITORY": "acme/ct"}
    return current_run(env, (lambda path: pull) if pull is not None else None)


def request(base: str = "main") -> dict[str, Any]:
    head = {"sha": "a" * 40, "ref": "change", "repo": OWN}
    return {"pull_request": {"number": 7, "user": {"login": "ann"}, "head": head, "base": {"ref": base}}}


def known(commit: str) -> bool:
    return commit == BEFORE


def test_a_pull_request_is_measured_against_the_branch_it_goes_into(tmp_path: Path) -> None:
    assert base_options(run_of(tmp_path, "pull_request", request("release/2")), known) == ["--base=release/2"]


@pytest.mark.parametrize("name", ["--upload-pack=x", "+main", "a b", "a:b", "a\nb", "x" * 300])
def test_a_base_branch_that_git_could_take_for_more_than_a_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="base branch"):
        run_of(tmp_path, "pull_request", request(name))


@pytest.mark.parametrize("before", ["0" * 40, "f" * 40, "", None, "--upload-pack=x", f"{BEFORE} ", "main"])
def test_a_push_without_a_usable_before_makes_sure_of_everything(tmp_path: Path, before: str | None) -> None:
    assert base_options(run_of(tmp_path, "push", {"before": before}), known) == ["--base=HEAD", "--all"]


def test_the_other_events_have_their_base(tmp_path: Path) -> None:
    assert base_options(run_of(tmp_path, "push", {"before": BEFORE}), known) == [f"--base={BEFORE}"]
    assert base_options(run_of(tmp_path, "schedule", {}), known) == ["--base=HEAD"]
    assert base_options(run_of(tmp_path, "workflow_dispatch", {"inputs": None}), known) == ["--base=main"]
    wished = run_of(tmp_path, "workflow_dispatch", {"inputs": {"base": "v1.0"}})
    assert base_options(wished, known) == ["--base=v1.0"]


def test_without_a_token_a_named_commit_is_taken_for_a_strangers(tmp_path: Path) -> None:
    event = {"inputs": {"pull_request": "7", "commit": "a" * 40}}
    assert not run_of(tmp_path, "workflow_dispatch", event).decision.is_trusted
    pull = {"number": 7, "state": "open", "head": {"sha": "a" * 40, "repo": OWN}, "base": {"ref": "next"}}
    asked = run_of(tmp_path, "workflow_dispatch", event, pull)
    assert (asked.decision.is_trusted, asked.base_branch, asked.commit) == (True, "next", "a" * 40)
    with pytest.raises(InputError, match="read what is new"):
        run_of(tmp_path, "workflow_dispatch", event, pull | {"head": {"sha": "b" * 40, "repo": OWN}})


def test_a_wish_is_only_heard_of_a_dispatch(tmp_path: Path) -> None:
    """A pull request's payload cannot bring inputs along."""
    run = run_of(tmp_path, "pull_request", request() | {"inputs": {"overrides": "a=1"}})
    assert run.wishes.overrides == ()


def test_the_outputs_are_words_of_ours(tmp_path: Path) -> None:
    run = run_of(tmp_path, "pull_request", request())
    assert decision_outputs(run, tmp_path) == {
        "commit": "", "cache": "pull-requests", "may_train": "true", "trusted": "true", "main": "false",
        "writes": "true", "gate": "true", "dry_run": "false", "scheduled": "false", "keeps": "true",
    }  # fmt: skip
    wished = run_of(tmp_path, "workflow_dispatch", {"inputs": {"overrides": "a=1"}})
    assert decision_outputs(wished, tmp_path)["gate"] == "false"


@pytest.mark.parametrize(
    ("private", "reuse", "cache"),
    [(False, None, "main"), (True, None, "pull-requests"), (True, False, "main"), (False, True, "pull-requests"),
     (None, None, "main")],
)  # fmt: skip
def test_main_reuses_what_pull_requests_made_only_where_it_may(
    tmp_path: Path, private: bool | None, reuse: bool | None, cache: str
) -> None:
    (tmp_path / "pawl.yaml").write_text("{}" if reuse is None else f"promote: {{reuse: {str(reuse).lower()}}}\n")
    repository = OWN | {"private": private}
    run = run_of(tmp_path, "push", {"ref": "refs/heads/main", "before": BEFORE, "repository": repository})
    assert decision_outputs(run, tmp_path)["cache"] == cache
    branch = run_of(tmp_path, "push", {"ref": "refs/heads/x", "before": BEFORE, "repository": repository})
    assert decision_outputs(branch, tmp_path)["cache"] == "pull-requests"


@pytest.mark.parametrize(
    ("tags", "parameters", "newest"),
    [
        (["dv3", "dv2"], {"a": {"rev": "dv2"}}, "dv3"),
        (["dv3", "dv2"], {"a": {"rev": "dv3"}}, None),
        (["dv3", "dv2"], {"a": {"rev": "dv3"}, "b": {"data_version": "dv2"}}, "dv3"),
        (["dv3"], {"a": {"rev": "0123abcd"}}, None),
        (["dv3", "dv2"], {"a": {"other": "dv2"}, "rev": 3}, None),
        ([], {"a": {"rev": "dv2"}}, None),
    ],
)
def test_the_data_has_moved_where_a_parameter_names_an_older_tag(
    tags: list[str], parameters: dict[str, Any], newest: str | None
) -> None:
    assert newest_data_revision(tags, parameters) == newest


def test_an_output_is_one_line_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "output"
    write_outputs({"GITHUB_OUTPUT": str(path)}, {"a": "x\nb=evil", "c": ""})
    assert path.read_text() == "a=x b=evil\nc=\n"
    with pytest.raises(InputError, match="GITHUB_OUTPUT"):
        write_outputs({}, {})
