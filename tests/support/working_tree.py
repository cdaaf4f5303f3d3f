"""This repository as it stands here, uncommitted changes too, in a folder where a test may do with it what it likes."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.support.repositories import commit, git

REPOSITORY = Path(__file__).parents[2]


def copy_working_tree(root: Path) -> Path:
    """Every file that git does not ignore, as the one commit of a new repository's branch main."""
    root.mkdir(parents=True)
    names = git(REPOSITORY, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, names):
        source, target = REPOSITORY / name, root / name
        # A file that was removed without a commit is still in git's index.
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, "Start")
    return root


def environment_of(root: Path) -> dict[str, str]:
    """What commands run in for somebody who installed that copy: its code, this Python's commands, a name for git."""
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Reader"), ("EMAIL", "reader@example.com"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **who, "PATH": path, "PYTHONPATH": str(root / "src")}
