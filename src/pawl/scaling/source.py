"""A commit with its files, and those of the tags, as something that can be sent to a machine that has no repository.

Without the history: a machine that trains has no use for it, and would need it anew for each commit.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import InputError
from pawl.git import git

_TAGS = "--format=%(objectname) %(*objectname) %(refname)"


@dataclass(frozen=True)
class Source:
    """What `put_at` needs: Git's object names, and a pack of what they name."""

    commit: str
    tags: tuple[tuple[str, str], ...]
    """(name such as refs/tags/dv1, object): a stage may read data at a tag."""
    shallow: tuple[str, ...]
    """The commits in the pack, whose parents are not."""
    object_format: str
    pack: bytes


def source_of(top: Path, commit: str) -> Source:
    """The commit, which the repository at `top` has."""
    tags, commits = [], [commit]
    for line in git(top, "for-each-ref", _TAGS, "refs/tags").splitlines():
        tag, peeled, name = line.split(" ")
        tags.append((name, tag))
        commits.append(peeled or tag)
    wanted = "".join(f"{name}\n" for name in dict.fromkeys([commit, *(tag for _, tag in tags)]))
    objects = _git(top, "rev-list", "--objects", "--no-walk", "--stdin", given=wanted.encode())
    names = b"".join(line.split(b" ")[0] + b"\n" for line in objects.splitlines())
    return Source(
        commit=commit,
        tags=tuple(tags),
        shallow=tuple(dict.fromkeys(commits)),
        object_format=git(top, "rev-parse", "--show-object-format"),
        # What Git holds as a difference stays one; a search for others costs ten times as much and saves nothing.
        pack=_git(top, "pack-objects", "--stdout", "--quiet", "--window=0", given=names),
    )


def put_at(source: Source, target: Path) -> None:
    """A checkout of the commit at `target`, an empty folder, with the tags."""
    git(target, "init", "--quiet", "--template=", f"--object-format={source.object_format}")
    (target / ".git" / "shallow").write_text("".join(f"{name}\n" for name in source.shallow), encoding="ascii")
    _git(target, "index-pack", "--stdin", given=source.pack)
    refs = "".join(f"create {name} {tag}\n" for name, tag in source.tags)
    _git(target, "update-ref", "--stdin", given=refs.encode())
    git(target, "checkout", "--quiet", "--detach", source.commit)


def _git(folder: Path, *arguments: str, given: bytes) -> bytes:
    done = subprocess.run(["git", "-C", str(folder), *arguments], input=given, capture_output=True)
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise InputError(f"git {arguments[0]} failed in {folder}: {said}: run `git fsck` there.")
    return done.stdout
