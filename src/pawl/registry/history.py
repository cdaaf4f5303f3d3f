"""Where a commit stands on main, and which pull request brought it there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from pawl import git
from pawl.errors import InputError

_MERGED = re.compile(r"Merge pull request #(\d{1,9}) |.* \(#(\d{1,9})\)$")


def order_on_main(top: Path, commit: str, base: str) -> int:
    """How many commits main's first-parent history has up to `commit`.

    Raises InputError where the commit is not in it: what never was main's tip is not promoted.
    """
    branch = base.removeprefix("origin/")
    tip = git.commit_of(top, f"refs/remotes/origin/{branch}") or git.commit_of(top, f"refs/heads/{branch}")
    if git.git(top, "rev-parse", "--is-shallow-repository") == "true":
        git.git(top, "fetch", "--quiet", "--unshallow", "origin", check=False)
        if git.git(top, "rev-parse", "--is-shallow-repository") == "true":
            raise InputError(f"{top} lacks a part of the history: run `git fetch --unshallow`.")
    history = git.git(top, "rev-list", "--first-parent", tip).splitlines() if tip else []
    if commit not in history:
        raise InputError(
            f"{commit[:10]} is not on {branch}: models are promoted from there alone, so merge it and run "
            "`pawl promote` on the result."
        )
    return len(history) - history.index(commit)


def is_in_history(top: Path, older: str, commit: str) -> bool:
    """Whether `older` is a commit that `commit` goes back to."""
    command = ["git", "-C", str(top), "merge-base", "--is-ancestor", older, commit]
    return subprocess.run(command, capture_output=True).returncode == 0


def pull_request_of(subject: str) -> int | None:
    """The pull request that a merge or squash commit names in its first line; None where none is named.

    >>> [pull_request_of(subject) for subject in ("Merge pull request #12 from acme/faster", "Faster (#7)", "#9")]
    [12, 7, None]
    """
    found = _MERGED.match(subject)
    return int(found[1] or found[2]) if found else None


def web_address(top: Path) -> str | None:
    """Where a browser finds the repository: as the workflow says it, else from origin, where that is on GitHub."""
    slug = os.environ.get("GITHUB_REPOSITORY", "")
    if slug:
        return f"{os.environ.get('GITHUB_SERVER_URL') or 'https://github.com'}/{slug}"
    origin = git.git(top, "remote", "get-url", "origin", check=False)
    found = re.fullmatch(
        r"(?:https://(?:[^@/]+@)?|git@|ssh://git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?", origin
    )
    return f"https://github.com/{found[1]}" if found else None
