"""What a branch may not change by itself: where results come from."""

from __future__ import annotations

from pathlib import Path

from pawl.errors import InputError
from pawl.git import git


def check_dvc_settings(top: Path, base: str, head: str) -> None:
    """Raise InputError where commit `head` has other DVC settings than `base`, or brings files of DVC's own along.

    `.dvc/config` names the cache and the remotes, and so decides whose results are believed; `.dvc/config.local`,
    `.dvc/cache` and `.dvc/tmp` are DVC's own, and committed they would pass for what this machine knows.
    """
    for name in filter(None, git(top, "ls-tree", "-r", "-z", "--name-only", head).split("\0")):
        _, found, inner = f"/{name}".partition("/.dvc/")
        if found and inner not in ("config", ".gitignore") and not inner.startswith("plots/"):
            raise InputError(
                f"{name} is committed on this branch, and is DVC's own to write: remove it (git rm --cached {name})."
            )
    for name in filter(None, git(top, "diff", "--name-only", "--no-renames", "-z", base, head, "--").split("\0")):
        if f"/{name}".endswith("/.dvc/config"):
            raise InputError(
                f"this branch changes {name}, which decides where results come from: let a maintainer change it on the "
                "base branch first, and take it from there."
            )
