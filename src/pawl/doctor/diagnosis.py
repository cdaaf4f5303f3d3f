"""What `pawl doctor` found: one line for each check, each with its remedy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.publish.github_api import one_line
from pawl.schema import Strict, Text

State = Literal["ok", "warning", "error"]
Group = Literal["machine", "repository", "remotes", "services", "github"]


class Package(Strict):
    """A requirement that what is installed does not meet."""

    name: Text
    pinned: Text
    """As the requirements file has it, such as `==2.13.0`; "" where any version will do."""
    installed: Text | None
    """None: not installed."""


class Line(Strict):
    """What one check found."""

    group: Group
    name: Text
    state: State
    found: Text
    remedy: Text = ""
    """One sentence; empty where all is well."""
    checked: bool = True
    """False: the check could not be carried out, and `found` says why."""
    packages: Annotated[tuple[Package, ...], Field(max_length=2_000)] = ()


class Diagnosis(Strict):
    """What `pawl doctor --json` prints."""

    schema_version: Literal[1] = 1
    lines: Annotated[tuple[Line, ...], Field(max_length=1_000)]

    @property
    def has_errors(self) -> bool:
        """Whether any line is an error."""
        return any(line.state == "error" for line in self.lines)


def ok(group: Group, name: str, found: str) -> Line:
    """All is well."""
    return Line(group=group, name=_short(name), state="ok", found=_short(found))


def warning(group: Group, name: str, found: str, remedy: str) -> Line:
    """It works, but worse or less safely than it could."""
    return Line(group=group, name=_short(name), state="warning", found=_short(found), remedy=_short(remedy))


def error(group: Group, name: str, found: str, remedy: str) -> Line:
    """A run would fail, or somebody could do what they should not."""
    return Line(group=group, name=_short(name), state="error", found=_short(found), remedy=_short(remedy))


def not_checked(group: Group, name: str, why: str, remedy: str = "") -> Line:
    """The check could not be carried out."""
    found = _short(f"not checked: {why}")
    return Line(group=group, name=_short(name), state="warning", found=found, remedy=_short(remedy), checked=False)


def some(names: list[str], most: int = 5) -> str:
    """The first names, and how many more there are.

    >>> some(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _short(text: str) -> str:
    """On one line, without what a terminal would take for a command, within the schema's bounds."""
    return one_line(text) if len(text) <= 300 else one_line(text[:299]) + "…"
