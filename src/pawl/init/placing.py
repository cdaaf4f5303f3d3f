"""Putting files into somebody else's checkout: never over one that is there, never out of it, never half."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from pawl.errors import InputError
from pawl.init.outcome import PlacedFile
from pawl.report.files import write_beside

_MOST_DIFF_LINES = 40
_MOST_DIFF_CHARACTERS = 8_000


def look(top: Path, name: str, wanted: bytes) -> PlacedFile:
    """How the file `name` stands to what pawl would write there."""
    obstacle = _obstacle(top, name)
    if obstacle:
        return PlacedFile(path=name, state="blocked", note=obstacle)
    target = top / name
    try:
        content = target.read_bytes() if target.exists() else None
    except OSError as problem:
        return PlacedFile(path=name, state="blocked", note=f"it cannot be read: {problem.strerror}")
    if content is None:
        return PlacedFile(path=name, state="missing")
    if content == wanted:
        return PlacedFile(path=name, state="same")
    return PlacedFile(path=name, state="differs", difference=difference(name, content, wanted))


def look_for_lines(top: Path, name: str, lines: list[str]) -> PlacedFile:
    """Whether the file `name` needs `lines` at its end; none needed is "same"."""
    obstacle = _obstacle(top, name) if lines else ""
    if obstacle:
        note = f"{obstacle}; it should have: {', '.join(lines)}"
        return PlacedFile(path=name, state="blocked", note=note)
    if not lines:
        return PlacedFile(path=name, state="same")
    shown = "".join(f"+{line}\n" for line in lines)
    return PlacedFile(path=name, state="lacks" if (top / name).exists() else "missing", difference=shown)


def _obstacle(top: Path, name: str) -> str:
    """Why nothing can be put there; "" where it can."""
    real_top, target = top.resolve(), top / name
    for folder in reversed(target.relative_to(top).parents[:-1]):
        if (top / folder).exists() and not (top / folder).is_dir():
            return f"{folder} is a file where a folder has to be"
        if (top / folder).is_symlink() and not (top / folder).resolve().is_relative_to(real_top):
            return f"{folder} is a symbolic link out of the checkout"
    if target.is_symlink():
        return "it is a symbolic link, which is left as it is"
    if target.is_dir():
        return "it is a folder where a file has to be"
    return ""


def create(top: Path, name: str, content: bytes, mode: int = 0o644) -> None:
    """Write a new file, whole or not at all. Raises InputError, also where one has appeared there meanwhile."""
    target = top / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = write_beside(target, content, mode)
        try:
            os.link(temporary, target)
        finally:
            temporary.unlink()
    except OSError as problem:
        raise _cannot(target, problem) from None


def append(top: Path, name: str, lines: list[str]) -> None:
    """Add lines at the end of an existing file, or make it; whole or not at all. Raises InputError."""
    target = top / name
    added = "".join(f"{line}\n" for line in lines).encode()
    if not target.exists():
        create(top, name, added)
        return
    try:
        content = target.read_bytes()
        newline = b"\n" if content and not content.endswith(b"\n") else b""
        temporary = write_beside(target, content + newline + added, target.stat().st_mode & 0o777)
        temporary.replace(target)
    except OSError as problem:
        raise _cannot(target, problem) from None


def _cannot(target: Path, problem: OSError) -> InputError:
    why = (problem.strerror or str(problem)).lower()
    return InputError(f"{target} cannot be written ({why}): make room for it, then run `pawl init` again.")


def difference(name: str, there: bytes, wanted: bytes) -> str:
    """The first lines of the difference from what is there to what pawl would write."""
    old, new = (text.decode("utf-8", errors="replace").splitlines() for text in (there, wanted))
    lines = list(difflib.unified_diff(old, new, name, f"{name} as pawl writes it", lineterm="", n=1))
    more = [f"... {len(lines) - _MOST_DIFF_LINES} more lines"] if len(lines) > _MOST_DIFF_LINES else []
    return "\n".join([*lines[:_MOST_DIFF_LINES], *more])[:_MOST_DIFF_CHARACTERS]
