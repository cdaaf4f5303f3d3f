"""A branch cannot choose where its results come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.actions.guards import check_dvc_settings
from pawl.errors import InputError
from tests.support.repositories import commit, git

SETTINGS = "[core]\n    remote = storage\n"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "Start", {".dvc/config": SETTINGS, ".dvc/.gitignore": "/cache\n", "sub/.dvc/config": SETTINGS})
    git(tmp_path, "checkout", "--quiet", "-b", "change")
    return tmp_path


def changed(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "Change")


def check(root: Path) -> None:
    check_dvc_settings(root, git(root, "rev-parse", "main"), git(root, "rev-parse", "HEAD"))


@pytest.mark.parametrize(
    "name",
    [
        ".dvc/config.local",
        ".dvc/cache/runs/ab/abcd/abcd",
        ".dvc/cache/files/md5/ab/cd",
        ".dvc/tmp/lock",
        "sub/.dvc/config.local",
        "sub/.dvc/cache/runs/ab/abcd/abcd",
        ".dvc/configuration",
    ],
)
def test_files_that_are_dvcs_own_cannot_be_brought_along(main: Path, name: str) -> None:
    changed(main, {name: "x\n"})
    with pytest.raises(InputError, match="is committed on this branch"):
        check(main)


@pytest.mark.parametrize("name", [".dvc/config", "sub/.dvc/config", "new/.dvc/config"])
def test_settings_cannot_be_changed_by_a_branch(main: Path, name: str) -> None:
    changed(main, {name: SETTINGS + "['remote \"storage\"']\n    url = gs://theirs\n"})
    with pytest.raises(InputError, match=f"this branch changes {name}"):
        check(main)


def test_settings_cannot_be_moved_or_taken_away(main: Path) -> None:
    git(main, "mv", ".dvc/config", "config")
    git(main, "commit", "--quiet", "--message", "Move")
    with pytest.raises(InputError, match=r"this branch changes \.dvc/config"):
        check(main)


def test_all_else_may_change(main: Path) -> None:
    changed(
        main,
        {
            "data.txt.dvc": "x",
            ".dvcignore": "*.tmp\n",
            ".dvc/plots/mine.json": "{}",
            "dvc/config": "x",
            "x.dvc/config": "x",
        },
    )
    check(main)
