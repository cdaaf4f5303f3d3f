"""DVC's own commands beside these pipelines: data there and back, versions by tag, remotes, and a stage more."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.common.sources.source import DvcSource, fetch_source
from tasks.common.stage.paths import TaskPaths
from tests.support.repositories import commit, dvc, git, write
from tests.tasks.checkouts import REPOSITORY

VERSIONS = {
    "dv1": {"train.csv": "id_code,diagnosis\na,0\n", "train_images/a.png": "first"},
    "dv2": {"annotations.csv": "id_code,diagnosis,split\na,0,train\n", "train/a.png": "first"},
}


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with both versions, tagged, in its remote `store` beside it: about 8 s, all of it DVC."""
    root = tmp_path_factory.mktemp("data") / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    dvc(root, "init", "--quiet")
    dvc(root, "remote", "add", "--default", "store", str(root.parent / "store"))
    for tag, files in VERSIONS.items():
        shutil.rmtree(root / "dataset", ignore_errors=True)
        write(root / "dataset", files)
        dvc(root, "add", "--quiet", "dataset")
        commit(root, tag)
        git(root, "tag", "--annotate", tag, "--message", tag)
        dvc(root, "push", "--quiet")
    return root


@pytest.fixture
def clone(pushed: Path, tmp_path: Path) -> Path:
    """A clone of it, without any data."""
    git(tmp_path, "clone", "--quiet", str(pushed), "clone")
    return tmp_path / "clone"


def test_deleted_data_is_pulled_back_and_checked_out_at_each_version(clone):
    dvc(clone, "pull", "--quiet")
    assert content(clone / "dataset") == VERSIONS["dv2"]
    shutil.rmtree(clone / "dataset")
    dvc(clone, "pull", "--quiet")
    assert content(clone / "dataset") == VERSIONS["dv2"]
    dvc(clone, "fetch", "--quiet", "--all-tags")
    for tag in ("dv1", "dv2"):
        git(clone, "checkout", "--quiet", tag)
        dvc(clone, "checkout", "--quiet")
        assert content(clone / "dataset") == VERSIONS[tag]


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def address(pushed: Path) -> Iterator[str]:
    """The remote's folder as a web server gives it out."""
    handler = functools.partial(_Silent, directory=str(pushed.parent / "store"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_data_version_comes_from_a_remote_of_another_kind(clone, address):
    """Over HTTP; the remote of the tests in e2e is a bucket."""
    dvc(clone, "remote", "modify", "--local", "store", "url", address)
    target = clone / "data/eyes/raw"
    target.mkdir(parents=True)
    said = fetch_source(TaskPaths(clone, "eyes"), DvcSource(repo=".", path="dataset", rev="dv1"), target)
    assert content(target) == VERSIONS["dv1"]
    assert said["commit"] == git(clone, "rev-parse", "dv1^{commit}")


def test_a_stage_is_added_by_dvc_and_the_others_stay_as_they_were(tmp_path):
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    git(tmp_path, "init", "--quiet")
    dvc(tmp_path, "init", "--quiet")
    before = (tmp_path / "dvc.yaml").read_text()
    known = set(dvc(tmp_path, "stage", "list", "--name-only").split())
    write(tmp_path, {"count.py": "open('count.txt', 'w').write('3')\n"})
    words = ["--name", "count", "--deps", "count.py", "--outs", "count.txt", "python count.py"]
    dvc(tmp_path, "stage", "add", *words)
    after = (tmp_path / "dvc.yaml").read_text()
    assert [line for line in before.splitlines() if line.strip().startswith("#") and line not in after] == []
    assert set(dvc(tmp_path, "stage", "list", "--name-only").split()) == known | {"count"}
    dvc(tmp_path, "repro", "--quiet", "count")
    assert (tmp_path / "count.txt").read_text() == "3"
