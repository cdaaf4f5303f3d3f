"""Keeping a DVC cache under its cap: what was not used for longest goes first.

Only objects go. Run-cache entries (`runs/`) and the records in `pawl/` stay: they are small, and an entry of the
run-cache is the receipt that its result was earned, which counts as well when its objects come back from the remote.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import InputError

_OBJECT = re.compile(r"^(files/[a-z0-9-]+/)?[0-9a-f]{2}/[^/]+$")
_LOCK, _REMOVED = "pawl/in-use.lock", "pawl/removed"


@dataclass(frozen=True)
class Eviction:
    """What came of one look at the cache."""

    before_bytes: int
    after_bytes: int
    removed: int
    """How many objects."""
    in_use: bool
    """Whether somebody works with the cache, so that nothing was removed."""

    def in_words(self, cache: Path, cap_bytes: int) -> str:
        """What there is to say about it; nothing where the cache is under its cap."""
        if self.removed:
            done = f"the cache {cache}: removed {self.removed} objects, {self.after_bytes} bytes are left."
            return done if self.after_bytes <= cap_bytes else f"{done} The rest are records."
        if self.after_bytes <= cap_bytes:
            return ""
        if self.in_use:
            return f"the cache {cache} is over its cap but in use: it is left for the next time."
        return f"the cache {cache} is over its cap by records alone."


@contextmanager
def in_use(cache: Path) -> Iterator[None]:
    """Nothing is removed from the cache inside; any number of processes may be inside at once."""
    with _lock_file(cache) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def evict(cache: Path, cap_bytes: int) -> Eviction:
    """Remove least recently used objects until the cache holds at most `cap_bytes`.

    An object was last used when it was last read or written, as far as the file system notes it (to a day, as mounted
    by default). It leaves its place by being renamed, so no reader finds a part of one.
    """
    with _lock_file(cache) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            total = sum(status.st_size for _, status in _files(cache))
            return Eviction(total, total, 0, in_use=True)
        graveyard = cache / _REMOVED
        if graveyard.is_symlink():
            raise InputError(f"{graveyard} is a link, which pawl never makes: remove it.")
        graveyard.mkdir(parents=True, exist_ok=True)
        for left in graveyard.iterdir():  # by an eviction that was killed
            left.unlink()
        found = [(path, status) for path, status in _files(cache)]
        total = before = sum(status.st_size for _, status in found)
        objects = [(max(s.st_atime_ns, s.st_mtime_ns), str(p), p, s) for p, s in found if _is_object(cache, p)]
        removed = 0
        for _, _, path, status in sorted(objects, key=lambda entry: entry[:2]):
            if total <= cap_bytes:
                break
            grave = graveyard / path.name
            path.rename(grave)
            grave.unlink()
            total -= status.st_size
            removed += 1
        return Eviction(before, total, removed, in_use=False)


def _is_object(cache: Path, path: Path) -> bool:
    return bool(_OBJECT.match(path.relative_to(cache).as_posix()))


def _files(cache: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below the cache with its status; links and what vanishes meanwhile are left out."""
    for parent, _, names in os.walk(cache):
        for name in names:
            path = Path(parent, name)
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if not path.is_symlink():
                yield path, status


@contextmanager
def _lock_file(cache: Path) -> Iterator[int]:
    path = cache / _LOCK
    if path.parent.is_symlink():
        raise InputError(f"{path.parent} is a link, which pawl never makes: remove it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        yield file
    finally:
        os.close(file)
