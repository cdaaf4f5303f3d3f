"""A forged entry of DVC's run-cache: what plain DVC makes of it, and what is made of it here.

An entry says that a stage with these inputs made these outputs. Anybody who may write where it lies can say so of
outputs that no run ever made. Its digests hold, as they are over what it says itself.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.e2e.storage import BUCKET, serve_bucket
from tests.security.job import Job
from tests.support.repositories import branch, dvc, git, make_repository, pawl

DVC = (sys.executable, "-m", "dvc")
EVIL = b"9.0"
"""As a model that would be very good: what the honest stage writes is 1.0."""


def forged(honest: Path, *, content: bytes = EVIL) -> dict[str, bytes]:
    """Files of a remote or cache by which `train` has made EVIL, by name; `content` is what really lies there.

    `honest` is a repository in which its inputs have run.
    """
    from dvc.stage.cache import _get_cache_hash

    for path in (honest / ".dvc" / "cache" / "runs").glob("*/*/*"):
        entry = yaml.safe_load(path.read_text())
        if "train.py" in entry["cmd"]:
            break
    [out] = [out for out in entry["outs"] if out["path"] == "model.txt"]
    out["md5"], out["size"] = hashlib.md5(EVIL, usedforsecurity=False).hexdigest(), len(EVIL)
    value = _get_cache_hash(dict(entry))
    key = _get_cache_hash(dict(entry), key=True)
    assert key == path.parent.name
    files = {f"runs/{key[:2]}/{key}/{value}": yaml.safe_dump(entry).encode()}
    files[f"files/md5/{out['md5'][:2]}/{out['md5'][2:]}"] = content
    history = next(other for other in entry["outs"] if other["path"] == "history.tsv")["md5"]
    true_one = honest / ".dvc" / "cache" / "files" / "md5" / history[:2] / history[2:]
    return files | {f"files/md5/{history[:2]}/{history[2:]}": true_one.read_bytes()}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put them into a folder, as DVC writes its objects."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)


@pytest.fixture(scope="module")
def bucket_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_bucket(tmp_path_factory.mktemp("forged") / "bucket") as url:
        yield url


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as everybody can clone it."""
    return make_repository(tmp_path_factory.mktemp("forged-main") / "main")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, main: Path) -> Path:
    """Somebody's clone in which the stages have run."""
    root = tmp_path_factory.mktemp("forged-honest") / "clone"
    git(root.parent, "clone", "--quiet", str(main), str(root))
    dvc(root, "repro")
    return root


class Clone:
    """A clean clone on a machine of its own, with settings of DVC's beside the checkout."""

    def __init__(self, main: Path, folder: Path, settings: str = "", env: Mapping[str, str] | None = None) -> None:
        folder.mkdir()
        self.root = folder / "clone"
        git(folder, "clone", "--quiet", str(main), str(self.root))
        (folder / "settings").mkdir()
        (folder / "settings" / "config").write_text(settings)
        self.env = {"DVC_GLOBAL_CONFIG_DIR": str(folder / "settings"), **(env or {})}

    def by_dvc(self) -> str:
        """The model after plain `dvc repro --pull`."""
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--pull"], cwd=self.root, env={**os.environ, **self.env},
                       capture_output=True, timeout=300, check=True)  # fmt: skip
        return (self.root / "model.txt").read_text()

    def by_pawl(self) -> str:
        """The model after the same by pawl."""
        for command in (["plan", "--base", "HEAD", "--all"], ["reproduce"]):
            done = pawl(self.root, *command, env=self.env)
            assert done.returncode == 0, done.stdout + done.stderr
        return (self.root / "model.txt").read_text()


def remote_settings(bucket_url: str, prefix: str) -> str:
    return (
        f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = gs://{BUCKET}/{prefix}\n"
        f"    endpointurl = {bucket_url}\n    allow_anonymous_login = true\n"
    )


def upload(bucket_url: str, prefix: str, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        query = urllib.parse.urlencode({"uploadType": "media", "name": f"{prefix}/{name}"})
        request = urllib.request.Request(f"{bucket_url}/upload/storage/v1/b/{BUCKET}/o?{query}", content)
        urllib.request.urlopen(request, timeout=30).close()


HNS = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}


def on_remote(main: Path, folder: Path, bucket_url: str, prefix: str) -> Clone:
    """A clean clone whose remote is that part of the bucket."""
    clone = Clone(main, folder, env=HNS)
    (clone.root / ".dvc" / "config.local").write_text(remote_settings(bucket_url, prefix))
    return clone


def test_an_object_that_is_not_what_its_name_says_is_not_taken(
    main: Path, honest: Path, bucket_url: str, tmp_path: Path
) -> None:
    """The remote's object was changed after an honest run, or was never that: DVC asks a cloud for no proof."""
    upload(bucket_url, "broken", forged(honest, content=b"8.0"))
    assert on_remote(main, tmp_path / "dvc", bucket_url, "broken").by_dvc() == "8.0"
    assert on_remote(main, tmp_path / "pawl", bucket_url, "broken").by_pawl() == "1.0"


def test_what_lies_on_mains_remote_is_believed_so_that_only_the_writer_may_write_there(
    main: Path, honest: Path, bucket_url: str, tmp_path: Path
) -> None:
    """Not defended by a digest: nothing tells it from an honest entry. See test_google for who can put one there."""
    upload(bucket_url, "whole", forged(honest))
    assert on_remote(main, tmp_path / "dvc", bucket_url, "whole").by_dvc() == "9.0"
    assert on_remote(main, tmp_path / "pawl", bucket_url, "whole").by_pawl() == "9.0"


@pytest.mark.parametrize("scope", ["main", "pull-requests"])
def test_what_a_pull_request_left_in_the_runners_cache_is_nothing_to_main(
    main: Path, honest: Path, tmp_path: Path, scope: str
) -> None:
    cache = tmp_path / "cache"
    write_files(cache / "pull-requests", forged(honest))
    settings = f"[cache]\n    dir = {cache}\n"
    found = Clone(main, tmp_path / "pawl", settings, {"PAWL_CACHE": scope}).by_pawl()
    assert found == ("1.0" if scope == "main" else "9.0")


def test_dvc_takes_what_lies_in_a_cache_that_all_share(main: Path, honest: Path, tmp_path: Path) -> None:
    """The other side of it: one folder for all is a cache that main shares with every pull request."""
    write_files(tmp_path / "cache", forged(honest))
    clone = Clone(main, tmp_path / "dvc", f"[cache]\n    dir = {tmp_path / 'cache'}\n")
    subprocess.run([*DVC, "repro"], cwd=clone.root, env={**os.environ, **clone.env}, check=True)
    assert (clone.root / "model.txt").read_text() == "9.0"


def test_results_that_a_branch_brings_along_are_refused(main: Path, honest: Path, tmp_path: Path) -> None:
    """Committed into `.dvc/cache` they would be this machine's own, had it no other cache."""
    theirs = Clone(main, tmp_path / "theirs")
    write_files(theirs.root / ".dvc" / "cache", forged(honest))
    branch(theirs.root, "change", {"README.md": "Nothing to see here.\n"})
    git(theirs.root, "add", "--force", ".dvc/cache")
    git(theirs.root, "commit", "--quiet", "--message", "Theirs")
    subprocess.run([*DVC, "repro"], cwd=theirs.root, check=True)
    assert (theirs.root / "model.txt").read_text() == "9.0"

    git(theirs.root, "clean", "--quiet", "-ffdx")
    done = Job(theirs.root, tmp_path / "job").step("ci", "pull", "--no-remote")
    assert done.returncode == 2
    assert ".dvc/cache/files/md5/" in done.stderr
    assert "is committed on this branch" in done.stderr
    assert not (theirs.root / "model.txt").exists()


@pytest.mark.parametrize("spoil", ["outs", "key"])
def test_an_entry_whose_digests_do_not_hold_is_passed_over(
    main: Path, honest: Path, tmp_path: Path, spoil: str
) -> None:
    """It was renamed to another stage's key, or to an honest entry's name."""
    files = forged(honest)
    [name] = [name for name in files if name.startswith("runs/")]
    content = files.pop(name)
    folder, _, value = name.rpartition("/")
    if spoil == "outs":
        files[f"{folder}/{'0' * len(value)}"] = content
    else:
        entry = yaml.safe_load(content)
        entry["cmd"] = "python other.py"
        files[name] = yaml.safe_dump(entry).encode()
    write_files(tmp_path / "cache" / "main", files)
    settings = f"[cache]\n    dir = {tmp_path / 'cache'}\n"
    clone = Clone(main, tmp_path / "pawl", settings, {"PAWL_CACHE": "main"})
    assert clone.by_pawl() == "1.0"
