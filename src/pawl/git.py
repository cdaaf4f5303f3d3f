"""Questions to git, and the few things done through it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import InputError

_DEEPEN_STEPS = (50, 500, 5_000)


@dataclass(frozen=True)
class Resolved:
    """A commit, and the words that led to it."""

    commit: str
    name: str
    subject: str


def git(root: Path, *arguments: str, check: bool = True) -> str:
    """What `git arguments` prints, less the last newline; with `check`, a failure is an InputError in git's words."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        raise InputError("git is not installed, or not in PATH: install it.") from None
    if check and done.returncode != 0:
        raise InputError(f"git {arguments[0]} failed in {root}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.rstrip("\n") if done.returncode == 0 else ""


def toplevel(folder: Path) -> Path:
    """The root of the git checkout around `folder`."""
    top = git(folder, "rev-parse", "--show-toplevel", check=False)
    if not top:
        raise InputError(
            f"{folder} is not inside a git repository: run pawl in a clone, or `git init` and commit first."
        )
    return Path(top)


def commit_of(root: Path, name: str) -> str | None:
    """The full commit id that `name` stands for; None where there is none."""
    if name.startswith("-"):
        return None
    return git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False) or None


def describe(root: Path, commit: str, name: str) -> Resolved:
    """`commit` with the first line of its message."""
    return Resolved(commit, name, git(root, "log", "-1", "--format=%s", commit, check=False)[:200])


def head(root: Path) -> Resolved:
    """The commit that is checked out, named by its branch, or by its short id when HEAD is detached."""
    commit = commit_of(root, "HEAD")
    if commit is None:
        raise InputError(f"{root} has no commit yet: commit your work, then run pawl again.")
    branch = git(root, "symbolic-ref", "--short", "--quiet", "HEAD", check=False)
    return describe(root, commit, branch or commit[:10])


def changed_files(root: Path, exclude: tuple[str, ...] = ()) -> list[str]:
    """Tracked files that differ from HEAD, in the index or the worktree, without those named in `exclude`."""
    out = git(root, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames")
    paths = [entry[3:] for entry in out.split("\0") if entry]  # "XY path"
    return [path for path in paths if Path(path).name not in exclude]


def resolve_base(root: Path, name: str) -> tuple[Resolved, str]:
    """The commit that HEAD is measured against, and a note (may be empty).

    That is the merge base of HEAD and `name` (or of `origin/name`, whichever is nearer to HEAD): what main was when
    the branch left it, and for GitHub's merge commit of a pull request main itself. `name` may be any commit; one that
    is no branch and an ancestor of HEAD is its own merge base. Fetches the branch, and deepens a shallow clone, when
    they are needed. Raises InputError where nothing can be found.
    """
    if name == "HEAD":
        return head(root), ""
    names = [candidate for candidate in (name, f"origin/{name}") if commit_of(root, candidate)]
    if not names:
        _fetch_branch(root, name)
        names = [candidate for candidate in (name, f"origin/{name}") if commit_of(root, candidate)]
    if not names:
        raise InputError(
            f'the base "{name}" is neither a branch, a tag nor a commit in {root}: fetch it '
            f"(git fetch origin {name}), or name another with --base."
        )
    bases = {candidate: _merge_base(root, candidate) for candidate in names}
    found = {candidate: base for candidate, base in bases.items() if base}
    if not found:
        chosen = names[-1]
        tip = commit_of(root, chosen)
        assert tip is not None
        return describe(root, tip, name), f"HEAD and {chosen} share no history: measured against the tip of {chosen}."
    chosen = next(iter(found))
    for candidate, base in found.items():
        if base != found[chosen] and _is_ancestor(root, found[chosen], base):
            chosen = candidate
    return describe(root, found[chosen], name), ""


def _merge_base(root: Path, name: str) -> str:
    base = git(root, "merge-base", "HEAD", name, check=False)
    if base or git(root, "rev-parse", "--is-shallow-repository") != "true":
        return base
    for depth in _DEEPEN_STEPS:
        git(root, "fetch", "--quiet", f"--deepen={depth}", "origin", check=False)
        base = git(root, "merge-base", "HEAD", name, check=False)
        if base:
            return base
    git(root, "fetch", "--quiet", "--unshallow", "origin", check=False)
    return git(root, "merge-base", "HEAD", name, check=False)


def _fetch_branch(root: Path, name: str) -> None:
    if name.startswith("-") or not git(root, "remote", "get-url", "origin", check=False):
        return
    shallow = git(root, "rev-parse", "--is-shallow-repository") == "true"
    depth = ["--depth=1"] if shallow else []
    git(root, "fetch", "--quiet", *depth, "origin", f"+refs/heads/{name}:refs/remotes/origin/{name}", check=False)
    if not commit_of(root, f"origin/{name}"):
        git(root, "fetch", "--quiet", *depth, "origin", name, check=False)


def _is_ancestor(root: Path, older: str, newer: str) -> bool:
    done = subprocess.run(["git", "-C", str(root), "merge-base", "--is-ancestor", older, newer], capture_output=True)
    return done.returncode == 0
