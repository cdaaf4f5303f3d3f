"""The last steps together: comment, check, status, pictures, issue; where a part fails, and where runs overtake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pawl.errors import InputError
from pawl.publish.step import publish, tell
from tests.fakes.github_contents import Contents
from tests.fakes.github_issues import Issues
from tests.publish.desk import TOKEN, Desk
from tests.publish.run_folder import write_run
from tests.report import examples
from tests.report.hostile import hostile

HEAD = examples.HEAD.commit
ALL = {"contents": "write", "pull_requests": "write", "issues": "write", "statuses": "write", "checks": "write"}


@pytest.fixture(autouse=True)
def _workflow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of run 100, whose token may do everything."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "CML_")) or name == "REPO_TOKEN"]:
        monkeypatch.delenv(name)
    for name, value in (
        ("GITHUB_REPOSITORY", "acme/ct"),
        ("GITHUB_API_URL", desk.github.url),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_TOKEN", TOKEN),
        ("GITHUB_RUN_ID", "100"),
        ("GITHUB_RUN_ATTEMPT", "1"),
    ):
        monkeypatch.setenv(name, value)
    desk.github.add_token(TOKEN, permissions=dict(ALL))
    desk.github.state.contents["acme/ct"] = Contents("acme/ct")
    desk.github.state.issues["acme/ct"] = Issues()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def made(run: examples.Run) -> Path:
        return write_run(tmp_path / f"{len(list(tmp_path.iterdir()))}", run, pictures=False)

    return made


def put(reports: Path, **more: Any) -> None:
    given = {"slug": None, "pull_request": 7, "commit": None, "via": "api", "status": True, "check": True}
    publish(reports, **(given | more))


def statuses(desk: Desk) -> list[tuple[str, str, str | None]]:
    return [(status.sha, status.state, status.target_url) for status in desk.github.state.statuses]


def checks(desk: Desk) -> list[tuple[str, str | None, str]]:
    return [(run.head_sha, run.conclusion, run.output["title"]) for run in desk.github.state.checks.values()]


def test_comment_check_and_status_say_the_same(desk: Desk, folder: Callable[..., Path]) -> None:
    run = examples.better()
    put(folder(run))
    (comment,) = desk.github.comments("acme/ct", 7)
    url = f"{desk.github.url}/acme/ct/pull/7#issuecomment-{comment.id}"
    assert statuses(desk) == [(HEAD, "success", url)]
    assert checks(desk) == [(HEAD, "success", run.comparison.headline)]
    (check,) = desk.github.state.checks.values()
    assert check.output["summary"] == f"{comment.body.split(chr(10) * 2)[0]}\n\n[The whole report]({url})"
    assert check.details_url == "https://github.com/acme/ct/actions/runs/100/attempts/1"


@pytest.mark.parametrize(
    ("run", "conclusion"),
    [
        (examples.better, "success"),
        (examples.no_change, "success"),
        (examples.unchanged, "neutral"),
        (examples.failed, "failure"),
        (examples.not_comparable, None),
        # Measured with overrides, so of something that is not in the commit.
        (examples.worse, "neutral"),
    ],
)
def test_the_checks_mark_follows_the_verdict(
    desk: Desk, folder: Callable[..., Path], run: Callable[[], examples.Run], conclusion: str | None
) -> None:
    put(folder(run()))
    expected = conclusion or ("success" if run().comparison.gate_passed else "failure")
    assert [found for _, found, _ in checks(desk)] == [expected]


def test_a_push_has_a_check_and_a_status_that_leads_to_the_run(desk: Desk, folder: Callable[..., Path]) -> None:
    put(folder(examples.better()), pull_request=None)
    assert statuses(desk) == [(HEAD, "success", "https://github.com/acme/ct/actions/runs/100/attempts/1")]
    assert len(checks(desk)) == 1
    assert desk.bodies() == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_check_that_cannot_be_set_costs_nothing_else(
    desk: Desk, folder: Callable[..., Path], method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.github.fault(method, "/check-runs", status=403, message="Resource not accessible by integration", times=-1)
    put(folder(examples.better()))
    assert "check: not set: " in capsys.readouterr().err
    assert len(desk.bodies()) == len(statuses(desk)) == 1


def test_a_locked_conversation_does_not_leave_the_required_status_pending(
    desk: Desk, folder: Callable[..., Path]
) -> None:
    desk.github.state.pulls[("acme/ct", 7)].locked = True
    with pytest.raises(InputError, match="unlock the conversation"):
        put(folder(examples.failed()))
    assert [state for _, state, _ in statuses(desk)] == ["failure"]
    assert len(checks(desk)) == 1


def test_a_status_that_cannot_be_set_is_an_error_after_the_rest(desk: Desk, folder: Callable[..., Path]) -> None:
    desk.github.add_token(TOKEN, permissions=ALL | {"statuses": "read"})
    with pytest.raises(InputError, match="statuses: write"):
        put(folder(examples.better()))
    assert len(desk.bodies()) == len(checks(desk)) == 1


def test_an_overtaken_run_of_the_same_commit_changes_nothing(
    desk: Desk, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder(examples.better()))
    before = (desk.bodies(), statuses(desk), checks(desk))
    monkeypatch.setenv("GITHUB_RUN_ID", "99")
    put(folder(examples.failed()))
    assert (desk.bodies(), statuses(desk), checks(desk)) == before


@pytest.mark.parametrize("what", ["no pull request", "a locked conversation", "no checks"])
def test_an_overtaken_run_is_known_by_what_is_left(
    desk: Desk, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    number = None if what == "no pull request" else 7
    if what == "no checks":
        desk.github.add_token(TOKEN, permissions=ALL | {"checks": "none"})
    put(folder(examples.better()), pull_request=number)
    monkeypatch.setenv("GITHUB_RUN_ID", "99")
    if what == "a locked conversation":
        desk.github.fault("GET", "/comments", status=403, message="locked", times=-1)
        with pytest.raises(InputError):
            put(folder(examples.failed()), pull_request=number)
    else:
        put(folder(examples.failed()), pull_request=number)
    assert [state for _, state, _ in statuses(desk)] == ["success"]


def test_an_overtaken_run_of_an_older_commit_still_marks_its_own(
    desk: Desk, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder(examples.better()))
    monkeypatch.setenv("GITHUB_RUN_ID", "99")
    put(folder(examples.failed()), commit="5" * 40)
    assert len(desk.bodies()) == 1
    assert desk.bodies()[0].startswith("### ✅")
    assert [(sha, state) for sha, state, _ in statuses(desk)] == [(HEAD, "success"), ("5" * 40, "failure")]
    assert [(sha, mark) for sha, mark, _ in checks(desk)] == [(HEAD, "success"), ("5" * 40, "failure")]


def test_hostile_words_stay_words(desk: Desk, folder: Callable[..., Path]) -> None:
    run = hostile()
    put(folder(replace(run, comparison=run.comparison.model_copy(update={"headline": "Better\0\x1b[2J\u202e"}))))
    ((_, _, title),) = checks(desk)
    assert title.isprintable()
    assert desk.github.state.statuses[0].description.isprintable()


@pytest.mark.parametrize(
    ("run", "action"),
    [
        (examples.worse, "opened"),
        (examples.failed, "opened"),
        (examples.better, "none"),
        (examples.no_change, "none"),
        (examples.unchanged, "none"),
    ],
)
def test_an_issue_is_opened_where_somebody_has_to_look(
    desk: Desk, folder: Callable[..., Path], run: Callable[[], examples.Run], action: str
) -> None:
    reports = folder(run())
    assert tell(reports, slug=None, commit=None).action == action
    for issue in desk.github.state.issues["acme/ct"].issues.values():
        assert issue.title in ("pawl: the scheduled training is worse", "pawl: the scheduled training failed")
        assert issue.body.startswith((reports / "report.md").read_text().split("\n")[0])


def test_the_issue_is_closed_by_the_run_that_is_fine(
    desk: Desk, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(folder(examples.failed()), slug=None, commit=None)
    monkeypatch.setenv("GITHUB_RUN_ID", "101")
    assert tell(folder(examples.better()), slug=None, commit=None).action == "closed"
    (issue,) = desk.github.state.issues["acme/ct"].issues.values()
    assert (issue.state, issue.title) == ("closed", "pawl: the scheduled training is better")


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pawl", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_job_that_comments_end_to_end(desk: Desk, drawn: Path, tmp_path: Path) -> None:
    """`pawl pictures`, `pawl comment`, `pawl issue`, as the workflow calls them."""
    reports = str(shutil.copytree(drawn, tmp_path / "reports"))
    (tmp_path / "pawl.yaml").write_text("images: {branch: shown}\n")
    hosted = command("pictures", "--reports", reports, cwd=tmp_path)
    assert (hosted.returncode, hosted.stdout) == (0, "")
    number = len(desk.github.state.contents["acme/ct"].files("shown"))
    assert hosted.stderr == f"pictures: {number} on the branch shown\n"
    commented = command("comment", "--reports", reports, "--pull-request", "7", "--via", "api", cwd=tmp_path)
    assert commented.returncode == 0, commented.stderr
    assert desk.bodies()[0].count("https://github.com/acme/ct/blob/shown/") == number >= 3
    told = command("issue", "--reports", reports, cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "issue: none\n")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("images: {branch: main}\n", "would be overwritten"),
        ("images: {wher: none}\n", 'did you mean "where"?'),
        ("images: {where: bucket, bucket: gs://acme-pictures}\n", "there is no identity to write to the bucket with"),
    ],
)
def test_pictures_that_cannot_be_hosted_fail_nothing(
    desk: Desk, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, said: str
) -> None:
    desk.github.state.contents["acme/ct"].add_branch("main", {"README.md": b"words"})
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    reports = shutil.copytree(drawn, tmp_path / "reports")
    before = (reports / "report.md").read_bytes()
    (tmp_path / "pawl.yaml").write_text(settings)
    hosted = command("pictures", "--reports", str(reports), cwd=tmp_path)
    assert hosted.returncode == 0
    assert hosted.stderr.startswith("pictures: none are shown: ")
    assert said in hosted.stderr
    assert hosted.stderr.count("\n") == 1
    assert (reports / "report.md").read_bytes() == before
