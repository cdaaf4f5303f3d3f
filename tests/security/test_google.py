"""Google Cloud by workload identity federation, for real but for Google: who may read the remote, who may write it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.storage import BUCKET, serve_bucket
from tests.fakes.google import READER, WRITER, FakeGoogle
from tests.security.machine import MAIN, PROMOTE, PULL, Job, runs
from tests.support.repositories import git, make_repository

TRAINING = "acme/ct/.github/workflows/continuous-training.yml@refs/heads/main"
SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"


@pytest.fixture(scope="module")
def bucket_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_bucket(tmp_path_factory.mktemp("google") / "bucket") as url:
        yield url


def federation(bucket_url: str) -> FakeGoogle:
    """As docs/security.md sets it up: every job of the repository may read, only main's promotion may write."""
    google = FakeGoogle(bucket_url, "acme/ct")
    google.bind("reader@acme", READER, repository="acme/ct")
    google.bind("writer@acme", WRITER, ref=MAIN, job_workflow_ref=PROMOTE)
    return google


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, bucket_url: str) -> Path:
    """The repository, after main's promotion has put its results into the bucket."""
    folder = tmp_path_factory.mktemp("google-work")
    config = f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = gs://{BUCKET}/google\n"
    root = make_repository(folder / "work", {".dvc/config": config})
    with federation(bucket_url) as google:
        job = Job(google, folder / "promotion", root).log_in("writer@acme", ref=MAIN, job_workflow_ref=PROMOTE)
        job.ok("plan", "--base", "HEAD", "--all")
        job.ok("reproduce")
        assert "pushed: 2 stages" in job.ok("push")
        assert {account for account, _ in google.written} == {"writer@acme"}
        assert google.refused == []
    return root


@pytest.fixture
def google(bucket_url: str, work: Path) -> Iterator[FakeGoogle]:
    with federation(bucket_url) as server:
        yield server


def test_the_reader_restores_results_and_needs_no_login_afterwards(
    google: FakeGoogle, tmp_path: Path, work: Path
) -> None:
    job = Job(google, tmp_path / "pull-request", work).log_in("reader@acme", ref=PULL)
    job.ok("plan", "--base", "HEAD", "--all")
    assert "pulled: 2 results" in job.ok("pull")
    assert set(google.lent) == {"reader@acme"}
    job.login.unlink()
    before = len(google.lent)
    job.ok("reproduce", "--no-remote")
    assert (job.root / "metrics.json").exists()
    assert (runs(job), len(google.lent), google.refused) == (0, before, [])


def test_the_reader_cannot_write(google: FakeGoogle, tmp_path: Path, work: Path) -> None:
    job = Job(google, tmp_path / "pull-request", work).log_in("reader@acme", ref=PULL)
    (job.root / "params.yaml").write_text("train:\n  rate: 3.0\n")
    git(job.root, "commit", "--all", "--quiet", "--message", "New")
    job.ok("plan", "--base", "HEAD", "--all")
    job.ok("reproduce")
    done = job.run("push")
    assert done.returncode == 4
    sentence = done.stderr.strip().splitlines()[-1]
    assert 'train cannot be pushed to "storage"' in sentence
    assert "reader@acme does not have storage.objects.create access" in sentence
    assert "Check that these credentials may write there" in sentence
    assert "Traceback" not in done.stderr
    assert {(status, account) for status, account, _ in google.refused} == {(403, "reader@acme")}


def test_without_a_login_nothing_can_be_read(google: FakeGoogle, tmp_path: Path, work: Path) -> None:
    job = Job(google, tmp_path / "after-the-drop", work)
    done = job.run("plan", "--base", "HEAD", "--all")
    assert done.returncode == 4
    assert 'the DVC remote "storage"' in done.stderr
    assert "cannot be read" in done.stderr
    assert {status for status, _, _ in google.refused} == {401}


@pytest.mark.parametrize(("whose", "code"), [("somebody/ct", 0), ("acme/ct", 4)], ids=["fork", "own branch"])
def test_a_fork_has_no_login_and_is_planned_all_the_same(
    google: FakeGoogle, tmp_path: Path, work: Path, whose: str, code: int
) -> None:
    head = git(work, "rev-parse", "HEAD")
    event = {
        "number": 7,
        "repository": {"full_name": "acme/ct", "default_branch": "main"},
        "pull_request": {
            "number": 7,
            "head": {"sha": head, "ref": "change", "repo": {"full_name": whose}},
            "base": {"sha": head, "ref": "main"},
        },
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    (tmp_path / "output").touch()
    told = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}
    job = Job(google, tmp_path / "plan", work, {**told, "GITHUB_OUTPUT": str(tmp_path / "output")})
    (job.root / "params.yaml").write_text("train:\n  rate: 5.0\n")
    git(job.root, "checkout", "--quiet", "-b", "change")
    git(job.root, "commit", "--all", "--quiet", "--message", "New")
    done = job.run("ci", "plan")
    assert done.returncode == code, done.stderr
    assert "cannot be read" in done.stderr
    assert (tmp_path / "output").read_text() == ("train=false\n" if code == 0 else "")


def token_for(login: Path) -> str | None:
    """The access token that a login is good for, by the client that DVC's gs:// uses; None where it is refused."""
    from google.auth import load_credentials_from_file
    from google.auth.exceptions import OAuthError, RefreshError
    from google.auth.transport.requests import Request

    credentials, _ = load_credentials_from_file(str(login), scopes=[SCOPE])
    try:
        credentials.refresh(Request())
    except (OAuthError, RefreshError):
        return None
    return str(credentials.token)


@pytest.mark.parametrize(
    ("claims", "accounts"),
    [
        ({"ref": MAIN, "job_workflow_ref": PROMOTE}, ["reader@acme", "writer@acme"]),
        ({"ref": MAIN, "job_workflow_ref": TRAINING}, ["reader@acme"]),
        ({"ref": PULL, "job_workflow_ref": PROMOTE.replace(MAIN, PULL)}, ["reader@acme"]),
        ({"ref": PULL, "job_workflow_ref": PROMOTE}, ["reader@acme"]),
        ({"ref": "refs/heads/x", "job_workflow_ref": PROMOTE.replace(MAIN, "refs/heads/x")}, ["reader@acme"]),
        ({"repository": "somebody/ct", "ref": MAIN, "job_workflow_ref": PROMOTE}, []),
    ],
    ids=["promotion", "dispatch that trains", "pull request", "pull request that calls main's", "branch", "another"],
)
def test_who_can_be_whom(google: FakeGoogle, tmp_path: Path, claims: dict[str, str], accounts: list[str]) -> None:
    """A stage can ask for the ID token of its job, so that the job's claims must not be the promotion's."""
    found = [
        account
        for account in ("reader@acme", "writer@acme")
        if token_for(google.write_login(tmp_path / "login.json", account, google.job(**claims)))
    ]
    assert found == accounts
    assert google.lent == accounts


def test_the_login_of_a_job_that_has_ended_is_worthless(google: FakeGoogle, tmp_path: Path) -> None:
    login = google.write_login(tmp_path / "login.json", "reader@acme", google.job(ref=MAIN))
    google.jobs.clear()
    assert token_for(login) is None


def test_a_login_that_expires_is_renewed(google: FakeGoogle, tmp_path: Path, work: Path) -> None:
    google.lifetime_seconds = 1
    job = Job(google, tmp_path / "slow", work).log_in("reader@acme", ref=MAIN)
    job.ok("plan", "--base", "HEAD", "--all")
    assert "pulled: 2 results" in job.ok("pull")
    assert len(google.lent) > 6
    assert google.refused == []
