"""What pull requests keep on a remote of their own: found by the next push on any runner, never by main."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.errors import InputError
from pawl.pipeline.scopes import PULL_REQUESTS_REMOTE, REMOTE_VARIABLE, add_pull_requests_remote
from tests.e2e.storage import BUCKET, serve_bucket
from tests.fakes.google import READER, WRITER, FakeGoogle
from tests.security.machine import MAIN, PROMOTE, PULL, Job, runs
from tests.support.repositories import git, make_repository

OWN_BUCKET = "pull-requests"
ADDRESS = f"gs://{OWN_BUCKET}/results"
SCOPED = {"PAWL_CACHE": "pull-requests", REMOTE_VARIABLE: ADDRESS}


@pytest.fixture(scope="module")
def bucket_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_bucket(tmp_path_factory.mktemp("keeper") / "bucket") as url:
        content = json.dumps({"name": OWN_BUCKET}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{url}/storage/v1/b?project=test", content, headers)).close()
        yield url


@pytest.fixture
def google(bucket_url: str) -> Iterator[FakeGoogle]:
    """As docs/security.md sets it up, with a keeper that may write the pull requests' bucket and nothing else."""
    with FakeGoogle(bucket_url, "acme/ct") as server:
        server.bind("reader@acme", READER, repository="acme/ct")
        server.bind("writer@acme", WRITER, ref=MAIN, job_workflow_ref=PROMOTE)
        server.bind("keeper@acme", WRITER, repository="acme/ct")
        server.accounts["writer@acme"].bucket = BUCKET
        server.accounts["keeper@acme"].bucket = OWN_BUCKET
        yield server


@pytest.fixture
def work(google: FakeGoogle, tmp_path: Path) -> Path:
    """A pull request's checkout; main's results are on main's remote."""
    config = f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = gs://{BUCKET}/{tmp_path.name}\n"
    root = make_repository(tmp_path / "work", {".dvc/config": config})
    job = Job(google, tmp_path / "promotion", root).log_in("writer@acme", ref=MAIN, job_workflow_ref=PROMOTE)
    for command in (["plan", "--base", "HEAD", "--all"], ["reproduce"], ["push"]):
        job.ok(*command)
    git(root, "checkout", "--quiet", "-b", "change")
    (root / "params.yaml").write_text("train:\n  rate: 3.0\n")
    git(root, "commit", "--all", "--quiet", "--message", "New")
    return root


def trained_on(google: FakeGoogle, machine: Path, work: Path, settings: dict[str, str]) -> Job:
    """A fresh machine after the job's steps up to the training, and the login that it then drops."""
    job = Job(google, machine, work, settings).log_in("reader@acme", ref=PULL)
    job.ok("plan", "--base", "main")
    job.ok("pull")
    job.login.unlink()
    job.ok("reproduce", "--no-remote")
    return job


def test_the_next_push_finds_it_on_another_runner_and_main_does_not(
    google: FakeGoogle, tmp_path: Path, work: Path
) -> None:
    google.written.clear()
    first = trained_on(google, tmp_path / "first", work, SCOPED)
    assert runs(first) > 0
    assert google.written == []
    first.log_in("keeper@acme", ref=PULL)
    assert "pushed: 4 stages" in first.ok("push", "--pull-requests"), "those of head and of base"
    assert {account for account, _ in google.written} == {"keeper@acme"}
    assert all(f"/b/{OWN_BUCKET}/" in request for _, request in google.written)

    second = trained_on(google, tmp_path / "second", work, SCOPED)
    assert runs(second) == 0
    results = json.loads((second.root / "reports/stages.json").read_text())["stages"]
    restored = [stage for stage in results if stage["side"] == "head"]
    assert {stage["outcome"] for stage in restored} == {"restored"}
    assert all(stage["origin"] for stage in restored), "the record of the run that made it comes along"

    # The same commit on main, with the same words in its environment: nothing that a pull request made is looked at.
    main = trained_on(google, tmp_path / "main", work, {**SCOPED, "PAWL_CACHE": "main"})
    assert runs(main) > 0
    assert google.refused == []


def test_the_keeper_cannot_write_what_main_reads(google: FakeGoogle, tmp_path: Path, work: Path) -> None:
    job = trained_on(google, tmp_path / "job", work, SCOPED)
    google.written.clear()
    done = job.log_in("keeper@acme", ref=PULL).run("push")
    assert done.returncode == 4
    assert "keeper@acme does not have storage.objects.create access" in done.stderr
    assert google.written == []


def test_what_there_is_is_kept_although_a_stage_failed(google: FakeGoogle, tmp_path: Path, work: Path) -> None:
    (work / "evaluate.py").write_text("raise SystemExit(3)\n")
    git(work, "commit", "--all", "--quiet", "--message", "Broken")
    job = Job(google, tmp_path / "job", work, SCOPED).log_in("reader@acme", ref=PULL)
    job.ok("plan", "--base", "main")
    assert job.run("reproduce").returncode == 3
    job.log_in("keeper@acme", ref=PULL)
    assert "pushed train" in job.ok("push", "--pull-requests")


def test_without_an_address_there_is_nothing_to_keep_it_on(google: FakeGoogle, tmp_path: Path, work: Path) -> None:
    job = trained_on(google, tmp_path / "job", work, {"PAWL_CACHE": "pull-requests"})
    done = job.log_in("keeper@acme", ref=PULL).run("push", "--pull-requests")
    assert done.returncode == 2
    assert f"set {REMOTE_VARIABLE}" in done.stderr


def test_only_the_environment_names_it() -> None:
    of_checkout = {"url": "gs://somebody/else"}
    for scope in ("", "main", "pull-requests"):
        config = {"core": {}, "remote": {PULL_REQUESTS_REMOTE: dict(of_checkout)}}
        add_pull_requests_remote(config, {"PAWL_CACHE": scope})
        assert config["remote"] == {}
    config = {"core": {"remote": "a"}, "remote": {"a": {"url": "gs://a/b", "endpointurl": "http://x"}}}
    add_pull_requests_remote(config, {REMOTE_VARIABLE: "gs://c/d/"})
    assert config["remote"][PULL_REQUESTS_REMOTE] == {"url": "gs://c/d", "endpointurl": "http://x"}
    add_pull_requests_remote(config, {REMOTE_VARIABLE: "s3://c/d"})
    assert config["remote"][PULL_REQUESTS_REMOTE] == {"url": "s3://c/d"}, "settings of another service"


@pytest.mark.parametrize("address", ["gs://a/b", "gs://a/b/"])
def test_it_is_not_mains_own(address: str) -> None:
    config = {"core": {"remote": "a"}, "remote": {"a": {"url": "gs://a/b"}}}
    with pytest.raises(InputError, match="another bucket or prefix"):
        add_pull_requests_remote(config, {REMOTE_VARIABLE: address})
