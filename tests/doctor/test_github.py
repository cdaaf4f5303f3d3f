"""What GitHub is set to, asked of the fake GitHub through the same client as in earnest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pawl.doctor.diagnosis import Line
from pawl.doctor.github import github_lines, target_of
from pawl.errors import InputError
from tests.fakes.github import FakeGitHub
from tests.fakes.github_settings import Runner, Settings
from tests.support.repositories import git, make_repository

SLUG = "acme/ct"
TOKEN = "github_pat_0123456789"
WORKFLOW = """
on: {pull_request: , push: {branches: [main]}}
jobs:
  train:
    runs-on: [self-hosted, linux, gpu]
    steps: [{run: pawl plan}]
  report:
    runs-on: ubuntu-latest
    steps: [{run: pawl comment}]
"""
EVERYTHING = ("metadata", "contents", "administration", "secrets", "organization_self_hosted_runners")


@dataclass
class Desk:
    """A repository on the fake GitHub, and what doctor says of it."""

    github: FakeGitHub
    settings: Settings

    def env(self) -> dict[str, str]:
        return {"GITHUB_REPOSITORY": SLUG, "GITHUB_API_URL": self.github.url, "GITHUB_TOKEN": TOKEN}

    def lines(self, seconds: float = 10.0, workflow: str = WORKFLOW) -> dict[str, Line]:
        found = github_lines(None, self.env(), {"continuous-training.yml": workflow}, seconds)
        return {line.name: line for line in found}

    def state(self, name: str) -> str:
        return self.lines()[name].state


@pytest.fixture
def desk() -> Iterator[Desk]:
    with FakeGitHub() as github:
        github.add_token(TOKEN, "ada", kind="User", permissions=dict.fromkeys(EVERYTHING, "read"))
        files = {".github/workflows/continuous-training.yml": WORKFLOW, ".gitattributes": "dvc.lock -merge\n"}
        settings = github.state.settings[SLUG] = Settings(files=files)
        yield Desk(github, settings)


def test_a_repository_that_is_set_as_the_documents_say_has_nothing_to_mend(desk: Desk) -> None:
    lines = desk.lines()
    assert {name: line.state for name, line in lines.items()} == {
        "token": "ok",
        "required status": "ok",
        "fork approval": "ok",
        "workflow permissions": "ok",
        "runners: gpu, linux, self-hosted": "ok",
        "secrets": "ok",
        "workflow": "ok",
        "dvc.lock": "ok",
    }
    assert all(line.checked and not line.remedy for line in lines.values())
    assert {request.method for request in desk.github.requests()} == {"GET"}


Change = Callable[[Settings], None]
CASES: list[tuple[str, Change, str, str, str]] = [
    ("no gate", lambda s: s.required.clear(), "required status", "error", "required: none"),
    ("another gate", lambda s: s.required.__setitem__(0, "tests"), "required status", "error", "required: tests"),
    ("old branches", lambda s: setattr(s, "strict", False), "required status", "warning", "however old"),
    (
        "administrators pass",
        lambda s: (s.required.clear(), s.protected_by.append("pawl"), setattr(s, "enforcement_level", "non_admins")),
        "required status",
        "warning",
        "administrators",
    ),
    (
        "strangers run",
        lambda s: setattr(s, "approval_policy", "first_time_contributors"),
        "fork approval",
        "error",
        "first merge",
    ),
    (
        "a private one hands out secrets",
        lambda s: (
            setattr(s, "private", True),
            s.private_forks.update(run_workflows_from_fork_pull_requests=True, send_secrets_and_variables=True),
        ),
        "fork approval",
        "error",
        "given secrets",
    ),
    (
        "a private one does not ask",
        lambda s: (
            setattr(s, "private", True),
            s.private_forks.update(
                run_workflows_from_fork_pull_requests=True, require_approval_for_fork_pr_workflows=False
            ),
        ),
        "fork approval",
        "warning",
        "without approval",
    ),
    (
        "workflows write",
        lambda s: setattr(s, "default_permissions", "write"),
        "workflow permissions",
        "error",
        "may write",
    ),
    ("no lock", lambda s: setattr(s, "can_approve", False), "workflow permissions", "warning", "may not propose"),
    (
        "runner down",
        lambda s: setattr(s.runners[0], "status", "offline"),
        "runners: gpu, linux, self-hosted",
        "error",
        "gpu-1 offline",
    ),
    (
        "no such label",
        lambda s: setattr(s.runners[0], "labels", ("self-hosted", "Linux")),
        "runners: gpu, linux, self-hosted",
        "error",
        "none has these labels",
    ),
    ("a key", lambda s: s.secrets.append("GCP_SA_KEY"), "secrets", "warning", "GCP_SA_KEY: cloud keys"),
    ("google", lambda s: s.secrets.append("GOOGLE_CREDENTIALS"), "secrets", "warning", "GOOGLE_CREDENTIALS"),
    ("a person's token", lambda s: s.secrets.append("BOT_PAT"), "secrets", "warning", "BOT_PAT: a person's token"),
    (
        "identity federation is no key",
        lambda s: s.secrets.append("GCP_WORKLOAD_IDENTITY_PROVIDER"),
        "secrets",
        "ok",
        "GCP_WORKLOAD_IDENTITY_PROVIDER",
    ),
    (
        "target",
        lambda s: s.files.update({".github/workflows/label.yml": "on: [pull_request_target]\njobs: {}\n"}),
        "workflow",
        "error",
        "label.yml on main",
    ),
    (
        "nothing on main",
        lambda s: s.files.pop(".github/workflows/continuous-training.yml"),
        "workflow",
        "warning",
        "none runs pawl on main",
    ),
    (
        "attributes",
        lambda s: s.files.update({".gitattributes": "*.lock merge=union\n"}),
        "dvc.lock",
        "error",
        "on main",
    ),
    ("classic token", lambda s: setattr(s, "scopes", "repo, admin:org"), "token", "warning", "admin:org, repo"),
]


@pytest.mark.parametrize(("change", "name", "state", "words"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_setting_that_is_not_as_it_should_be(desk: Desk, change: Change, name: str, state: str, words: str) -> None:
    change(desk.settings)
    lines = desk.lines()
    assert lines[name].state == state
    assert words in lines[name].found
    assert bool(lines[name].remedy) == (state != "ok")
    assert [n for n, line in lines.items() if line.state != "ok"] == ([] if state == "ok" else [name])


@pytest.mark.parametrize(("may", "state"), [(True, "warning"), (False, "ok")])
def test_workflows_may_only_approve_where_they_propose_the_lock(desk: Desk, may: bool, state: str) -> None:
    desk.settings.can_approve = may
    lines = {line.name: line for line in github_lines(None, desk.env(), {}, 10.0, "off")}
    assert lines["workflow permissions"].state == state


def test_classic_protection_is_enough(desk: Desk) -> None:
    desk.settings.required.clear()
    desk.settings.protected_by.append("pawl")
    assert desk.state("required status") == "ok"


def test_runners_of_the_organization_count(desk: Desk) -> None:
    desk.settings.runners.clear()
    desk.settings.organization_runners.append(Runner("shared-1"))
    line = desk.lines()["runners: gpu, linux, self-hosted"]
    assert (line.state, "shared-1 online" in line.found) == ("ok", True)


def test_what_the_token_may_not_see_is_said_and_is_no_verdict(desk: Desk) -> None:
    """As with the token of a job, which cannot be given the right to read settings."""
    desk.github.add_token(TOKEN, permissions={"contents": "read"})
    lines = desk.lines()
    unseen = {name for name, line in lines.items() if not line.checked}
    assert unseen == {"fork approval", "workflow permissions", "runners", "secrets"}
    for name in unseen:
        assert lines[name].state == "warning"
        assert lines[name].found.startswith("not checked: GitHub answers 403")
        assert "administrator" in lines[name].remedy
    assert lines["required status"].state == "ok"


def test_runners_of_an_organization_that_cannot_be_seen_are_not_called_missing(desk: Desk) -> None:
    desk.settings.runners.clear()
    allowed = dict.fromkeys(EVERYTHING[:-1], "read")
    desk.github.add_token(TOKEN, "ada", kind="User", permissions=allowed)
    line = desk.lines()["runners: gpu, linux, self-hosted"]
    assert (line.state, line.checked) == ("warning", False)


@pytest.mark.parametrize("how", ["hang", "drop", "truncate"])
def test_github_that_does_not_answer_is_waited_for_no_longer_than_given(desk: Desk, how: str) -> None:
    desk.github.fault("GET", "/actions/", how=how, times=-1)
    begun = time.monotonic()
    lines = desk.lines(seconds=4.0)
    assert time.monotonic() - begun < 8.0
    for name in ("fork approval", "workflow permissions", "runners", "secrets"):
        assert (lines[name].state, lines[name].checked) == ("warning", False)
    assert lines["required status"].state == "ok"


@pytest.mark.parametrize(
    "raw", ["[]", "{}", "null", '{"runners": 3}', '{"runners": [[]]}', '{"secrets": [1]}', "nonsense"]
)
def test_answers_that_are_not_githubs_never_raise(desk: Desk, raw: str) -> None:
    desk.github.fault("GET", "/(actions|rules|branches|contents)/", status=200, raw=raw, times=-1)
    lines = desk.lines()
    assert lines["token"].state == "ok"
    assert lines["required status"].state != "ok"
    assert all(line.found for line in lines.values())


def test_a_bad_token_and_a_missing_one_are_one_line_each(desk: Desk) -> None:
    [line] = github_lines(None, desk.env() | {"GITHUB_TOKEN": "mistyped"}, {}, 5.0)
    assert (line.name, line.checked) == ("token", False)
    assert "401" in line.found
    [line] = github_lines(None, {"GITHUB_REPOSITORY": SLUG}, {}, 5.0)
    assert "there is no token" in line.found


def test_the_token_is_in_no_line(desk: Desk) -> None:
    desk.github.fault("GET", "/actions/", status=403, message=f"no entry for {TOKEN}", times=-1)
    assert TOKEN not in str(desk.lines())


@pytest.mark.parametrize(
    "origin",
    [
        "https://github.com/acme/ct",
        "https://x:y@github.com/acme/ct.git",
        "git@github.com:acme/ct.git",
        "ssh://git@github.com/acme/ct/",
    ],
)
def test_a_clone_knows_its_repository(tmp_path: Path, origin: str) -> None:
    root = make_repository(tmp_path / "clone")
    git(root, "remote", "add", "origin", origin)
    assert target_of(root, {"GITHUB_TOKEN": TOKEN}).repository == SLUG


@pytest.mark.parametrize(
    "origin", ["https://evil.example/acme/ct", "https://evil.example/github.com/acme/ct", "/srv/git/ct"]
)
def test_the_token_goes_to_no_other_server_than_it_is_for(tmp_path: Path, origin: str) -> None:
    root = make_repository(tmp_path / "clone")
    git(root, "remote", "add", "origin", origin)
    with pytest.raises(InputError, match="GITHUB_REPOSITORY"):
        target_of(root, {"GITHUB_TOKEN": TOKEN})


def test_a_job_that_names_its_runner_by_an_expression_is_left_out(desk: Desk) -> None:
    lines = desk.lines(workflow="on: push\njobs: {a: {runs-on: '${{ inputs.where }}'}, b: {runs-on: ubuntu-24.04}}\n")
    assert lines["runners"].state == "ok"
