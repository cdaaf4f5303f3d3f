"""Other checkouts of the same repository: the base commit's, and one with parameters set. Both share the cache."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import InputError
from pawl.git import git
from pawl.pipeline.overrides import apply_overrides

if TYPE_CHECKING:
    from dvc.repo import Repo

STATE_FOLDER = ".pawl"
SET_BRANCH = "pawl-set"
_REF_FORMAT = "--format=%(refname) %(objectname)"
_IDENTITY = ("-c", "user.name=pawl", "-c", "user.email=pawl@localhost", "-c", "commit.gpgsign=false")


def state_folder(top: Path) -> Path:
    """`.pawl/` at the top of the checkout, which ignores itself, for git and so for DVC."""
    folder = top / STATE_FOLDER
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def base_checkout(top: Path, commit: str) -> Path:
    """A checkout of `commit` under `.pawl/base/`; those of other commits are removed."""
    parent = state_folder(top) / "base"
    target = parent / commit[:16]
    for old in parent.iterdir() if parent.is_dir() else []:
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return checkout_at(target, top, commit)


def checkout_at(target: Path, top: Path, commit: str) -> Path:
    """A checkout at `target` of a commit that the repository at `top` has; one that is there already is put right."""
    if (target / ".git").exists() and git(target, "rev-parse", "HEAD", check=False) == commit:
        git(target, "reset", "--quiet", "--hard")
        _copy_tags(top, target)
    else:
        _check_out_beside(top, target, commit)
    return target


def set_checkout(top: Path, commit: str, inner: Path, overrides: Sequence[str], target: Path | None = None) -> Path:
    """A checkout at `target` (`.pawl/set/`): its branch `pawl-set` is `commit` plus one that sets `overrides`.

    `inner` is the path of the DVC root below `top`. What is uncommitted at `top` is left out. Raises InputError, and
    leaves no checkout, where an override cannot be set.
    """
    target = target or state_folder(top) / "set"
    _check_out_beside(top, target, commit)
    try:
        texts = apply_overrides(target / inner, overrides)
    except InputError:
        shutil.rmtree(target)
        raise
    git(target, "checkout", "--quiet", "-b", SET_BRANCH)
    for name, text in texts.items():
        (target / inner / name).write_text(text, encoding="utf-8")
    message = f"Set {', '.join(overrides)}"
    git(target, *_IDENTITY, "commit", "--quiet", "--no-verify", "--allow-empty", "--all", "--message", message)
    return target


def _check_out_beside(top: Path, target: Path, commit: str) -> None:
    """A repository of its own at `target` that borrows the objects of the one at `top`, with `commit` checked out.

    Not a git worktree: DVC takes a worktree inside the checkout for a part of it and finds all its files ignored, and
    a worktree would have to be registered in, and later removed from, the user's repository. Not `git clone --shared`:
    that refuses a shallow repository.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    common = (top / git(top, "rev-parse", "--git-common-dir")).resolve()
    git(target, "init", "--quiet", "--template=", f"--object-format={git(top, 'rev-parse', '--show-object-format')}")
    info = target / ".git" / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_text(f"{common / 'objects'}\n", encoding="utf-8")
    if (common / "shallow").exists():
        shutil.copyfile(common / "shallow", target / ".git" / "shallow")
    git(target, "checkout", "--quiet", "--detach", commit)
    _copy_tags(top, target)


def _copy_tags(top: Path, target: Path) -> None:
    """Give the checkout at `target` the tags of the one at `top`, and no others: a stage may read data at a tag."""
    wanted, present = (
        dict(line.split(" ") for line in git(side, "for-each-ref", _REF_FORMAT, "refs/tags").splitlines())
        for side in (top, target)
    )
    changes = [f"update {name} {tag}" for name, tag in wanted.items() if present.get(name) != tag]
    changes += [f"delete {name}" for name in present if name not in wanted]
    done = subprocess.run(
        ["git", "-C", str(target), "update-ref", "--stdin"],
        input="".join(f"{change}\n" for change in changes),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise InputError(f"the tags of {top} cannot be copied to {target}: {done.stderr.strip()}: run `git fsck`.")


def share_settings(repo: Repo, other_root: Path) -> None:
    """Write `.dvc/config.local` of the checkout at `other_root`, so that it has this repository's cache and remotes.

    Addresses relative to a config file mean another place from another folder; here they are written out in full.
    """
    from dvc.config import Config

    def plain(value: Any) -> Any:
        return {key: plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    def absolute(value: Any) -> Any:
        return str(Path(value).absolute()) if type(value).__name__ == "RelPath" else value

    cache = plain(dict(repo.config["cache"])) | {"dir": str(repo.cache.local_cache_dir)}
    remotes = {
        name: {key: absolute(value) for key, value in plain(settings).items()}
        for name, settings in repo.config["remote"].items()
    }
    core = {key: value for key, value in repo.config["core"].items() if key == "remote"}
    config = Config(dvc_dir=str(other_root / ".dvc"), validate=False)
    with config.edit("local", validate=False) as local:
        local["cache"] = cache
        local["remote"] = remotes
        if core:
            local["core"] = core
