"""DVC remotes: a real bucket, a folder that cannot be written, one that is not there, one that hangs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.doctor import remotes
from pawl.doctor.diagnosis import Line
from pawl.doctor.remotes import Remote, list_lines, remote_lines, remotes_of, without_password
from tests.e2e.storage import BUCKET, serve_bucket
from tests.support.repositories import dvc, make_repository

SOURCE = str(Path(__file__).parents[2] / "src")
# A superuser may write anywhere, unless that power is taken away.
UNPRIVILEGED = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []
)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_bucket(tmp_path_factory.mktemp("gcs") / "data") as url:
        yield url


def config(root: Path, text: str) -> None:
    (root / ".dvc" / "config").write_text(f"[core]\n    analytics = false\n    remote = storage\n{text}")


def only(root: Path, *, probe_write: bool = False, read_only: tuple[str, ...] = (), **environ: str) -> list[Line]:
    [remote] = remotes_of(root, set(read_only), environ)
    return remote_lines(root, remote, probe_write=probe_write)


def test_a_bucket_is_read_verified_and_written(repository: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    settings = f"['remote \"storage\"']\n    url = gs://{BUCKET}/dvc\n"
    outside = f"    endpointurl = {bucket}\n    allow_anonymous_login = true\n"
    config(repository, settings + outside)
    read, verify = only(repository)
    assert (read.state, "can be read and is empty" in read.found) == ("warning", True)
    assert (verify.state, "verify true" in verify.remedy) == ("warning", True)
    dvc(repository, "repro", "--quiet")
    dvc(repository, "push", "--quiet", "--run-cache")
    # What a machine's owner sets outside the checkout counts.
    config(repository, settings)
    (repository / ".dvc" / "config.local").write_text(f"['remote \"storage\"']\n    verify = true\n{outside}")
    before = listing(bucket)
    read, write = only(repository, probe_write=True)
    assert (read.state, read.found) == ("ok", f"gs://{BUCKET}/dvc can be read")
    assert (write.state, "takes writes" in write.found) == ("ok", True)
    assert listing(bucket) == before
    config(repository, settings.replace(BUCKET, "no-such-bucket"))
    [read] = only(repository)
    assert read.state == "error"


def listing(bucket: str) -> list[str]:
    import urllib.request

    with urllib.request.urlopen(f"{bucket}/storage/v1/b/{BUCKET}/o", timeout=5) as answer:
        names = sorted(item["name"] for item in json.load(answer).get("items", []))
    assert names
    return names


def test_a_folder_that_takes_writes_is_left_as_it_was(repository: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    config(repository, f"['remote \"storage\"']\n    url = {store}\n")
    _, write = only(repository, probe_write=True)
    assert (write.state, list(store.iterdir())) == ("ok", [])
    [read] = only(repository)
    assert "is empty" in read.found


@pytest.mark.parametrize(
    ("given", "environ"),
    [(("storage",), {}), ((), {"GITHUB_EVENT_NAME": "pull_request"})],
    ids=["named", "pull request"],
)
def test_a_remote_that_should_refuse_writes_and_does_not(
    repository: Path, tmp_path: Path, given: tuple[str, ...], environ: dict[str, str]
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    config(repository, f"['remote \"storage\"']\n    url = {store}\n")
    _, write = only(repository, probe_write=True, read_only=given, **environ)
    assert (write.state, "should refuse" in write.found) == ("error", True)
    assert only(repository, probe_write=True, GITHUB_EVENT_NAME="push")[1].state == "ok"


@pytest.mark.skipif(bool(UNPRIVILEGED) and not shutil.which("setpriv"), reason="there is no setpriv")
def test_a_folder_that_cannot_be_written_says_so(repository: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "files").mkdir(parents=True)
    store.chmod(0o555)
    config(repository, f"['remote \"storage\"']\n    url = {store}\n")
    command = [*UNPRIVILEGED, sys.executable, "-m", "pawl.doctor.probe", str(repository), "storage", "--write"]
    env = {**os.environ, "PYTHONPATH": SOURCE}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    answer = json.loads(done.stdout)
    assert (answer["read"], answer["write"]) == ("ok", "refused")
    assert "Permission denied" in answer["why_not"]
    for sealed, state in ((True, "ok"), (False, "warning")):
        remote = Remote("storage", str(store), verify=False, is_default=True, must_refuse_writes=sealed)
        assert remotes._write_line("storage", str(store), remote, answer).state == state


def test_a_folder_that_is_not_there(repository: Path, tmp_path: Path) -> None:
    config(repository, f"['remote \"storage\"']\n    url = {tmp_path / 'nowhere'}\n")
    lines = only(repository, probe_write=True)
    assert [(line.state, line.checked) for line in lines] == [("error", True), ("warning", False)]
    assert not (tmp_path / "nowhere").exists()


def test_a_server_that_never_answers_is_given_up(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remotes, "_PATIENCE_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/dvc"
        config(repository, f"['remote \"storage\"']\n    url = {address}\n    verify = true\n")
        begun = time.monotonic()
        [line] = only(repository)
    assert time.monotonic() - begun < 8.0
    assert (line.state, "no answer within 3 s" in line.found) == ("error", True)


def test_two_remotes_the_default_first(repository: Path) -> None:
    config(
        repository, "['remote \"a\"']\n    url = /a\n['remote \"storage\"']\n    url = gs://b/c\n    verify = true\n"
    )
    found = remotes_of(repository, {"a"}, {"GITHUB_EVENT_NAME": "pull_request"})
    assert [(r.name, r.is_default, r.verify, r.must_refuse_writes) for r in found] == [
        ("storage", True, True, True),
        ("a", False, False, True),
    ]
    assert [line.name for line in list_lines(found, {"b"})] == ["b"]


def test_no_remote_and_none_that_is_the_default(repository: Path) -> None:
    (repository / ".dvc" / "config").write_text("")
    assert [line.state for line in list_lines(remotes_of(repository, set(), {}), set())] == ["warning"]
    (repository / ".dvc" / "config").write_text("['remote \"a\"']\n    url = /a\n")
    [line] = list_lines(remotes_of(repository, set(), {}), set())
    assert "none is the default" in line.found


def test_passwords_in_addresses_are_in_no_line() -> None:
    assert without_password("https://ada:secret@host/x and ssh://key@h") == "https://***@host/x and ssh://***@h"


def test_a_fresh_repository_has_no_remote(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r")
    assert remotes_of(root, set(), {}) == []
