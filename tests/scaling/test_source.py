"""A commit on a machine that has no repository: its files and its tags' files, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pawl.errors import InputError
from pawl.scaling.source import put_at, source_of
from tests.support.repositories import commit, git, make_repository


def test_the_files_and_the_tags_arrive_without_the_history(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "work", {"data.txt": "old\n"})
    git(root, "tag", "dv1")
    commit(root, "Big", {"big.txt": "x" * 1_000_000})
    commit(root, "Removed", {"big.txt": "gone\n", "data.txt": "new\n"})
    git(root, "tag", "--annotate", "dv2", "--message", "two")
    (root / "train.py").chmod(0o755)
    (root / "link").symlink_to("data.txt")
    head = commit(root, "Last", {"data.txt": "newest\n", "folder/ä ö.txt": "name\n"})
    source = source_of(root, head)
    target = tmp_path / "machine"
    target.mkdir()
    put_at(source, target)

    assert git(target, "rev-parse", "HEAD") == head
    assert git(target, "status", "--porcelain") == ""
    assert git(target, "show", "dv1:data.txt") == "old"
    assert git(target, "show", "dv2:data.txt") == "new"
    assert git(target, "cat-file", "-t", "dv2") == "tag"
    assert (target / "train.py").stat().st_mode & 0o111
    assert (target / "link").readlink() == Path("data.txt")
    assert (target / "folder" / "ä ö.txt").read_text() == "name\n"
    assert git(target, "log", "--format=%s", "HEAD") == "Last"
    assert len(source.pack) < 20_000  # the big file was only ever in the history
    assert git(target, "fsck", "--connectivity-only") == ""


def test_a_shallow_repository_sends_too(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "work")
    commit(root, "More", {"data.txt": "more\n"})
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{root}", str(tmp_path / "clone")], check=True)
    head = git(tmp_path / "clone", "rev-parse", "HEAD")
    target = tmp_path / "machine"
    target.mkdir()
    put_at(source_of(tmp_path / "clone", head), target)
    assert (target / "data.txt").read_text() == "more\n"


def test_a_commit_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "work")
    with pytest.raises(InputError, match="git fsck"):
        source_of(root, "0123456789" * 4)
