"""The commits of an overview."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.common.stage.errors import TaskError

_FIELD = "\x1f"


@dataclass(frozen=True)
class Commit:
    """One commit, or what is not committed yet, whose `sha` is empty."""

    sha: str
    """40 hexadecimal digits."""
    names: tuple[str, ...]
    """Branches and tags that point at it."""
    date: str
    """When it was committed, such as `2026-11-21`."""
    subject: str


WORKSPACE = Commit(sha="", names=("workspace",), date="", subject="not committed")


def list_commits(
    root: Path, n: int, revisions: Sequence[str] = (), *, all_branches: bool = False, all_tags: bool = False
) -> list[Commit]:
    """The last `n` commits of each revision and, if asked for, of each branch, and each tag's own; each commit once.

    Of HEAD where nothing is named. Merged branches are not followed. Raises TaskError for a revision that git does not
    know.
    """
    branches, tags = _references(root)
    starts = [(name, n) for name in revisions]
    starts += [(name, n) for name in branches] if all_branches else []
    starts += [(name, 1) for name in tags] if all_tags else []
    if not starts and not all_branches and not all_tags:
        starts = [("HEAD", n)]
    names: dict[str, list[str]] = defaultdict(list)
    for name, sha in (branches | tags).items():
        names[sha].append(name)
    found: dict[str, Commit] = {}
    for revision, length in starts:
        start = _resolve(root, revision)
        lines = run_git(
            root, "log", "--first-parent", f"--max-count={length}", f"--format=%H{_FIELD}%cs{_FIELD}%s", start
        )
        for line in lines.splitlines():
            sha, date, subject = line.split(_FIELD, 2)
            found.setdefault(sha, Commit(sha, tuple(sorted(names[sha])), date, subject))
    return list(found.values())


def _references(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Commits of the branches, those of other repositories too, and of the tags."""
    pattern = f"%(refname){_FIELD}%(refname:short){_FIELD}%(symref){_FIELD}%(objectname){_FIELD}%(*objectname)"
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in run_git(
        root, "for-each-ref", f"--format={pattern}", "refs/heads", "refs/remotes", "refs/tags"
    ).splitlines():
        full, short, symbolic, target, peeled = line.split(_FIELD)
        # `origin/HEAD` is another name of a branch that is there anyway.
        if not symbolic:
            (tags if full.startswith("refs/tags/") else branches)[short] = peeled or target
    return branches, tags


def _resolve(root: Path, revision: str) -> str:
    try:
        return run_git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except TaskError:
        raise TaskError(
            f'git knows no commit "{revision[:80]}"; name a branch, a tag or a commit, or fetch it first.'
        ) from None


def run_git(root: Path, *arguments: str) -> str:
    """What git prints when it is run in `root`. Raises TaskError where it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise TaskError(f"git {arguments[0]} failed in {root} ({reason}); run this in a git repository with a commit.")
    return done.stdout
