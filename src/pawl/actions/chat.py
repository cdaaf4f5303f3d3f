"""Commands in the comments of a pull request: `/pawl train digits.train.epochs=5`, `/pawl rerun`, `/pawl explain`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pawl.actions.wishes import Wishes, wishes_of
from pawl.errors import InputError, nearest

MAY_COMMAND = ("admin", "maintain", "write")
"""The permissions, as GitHub's API names them, of people who could push the change themselves."""
USAGE = "say /pawl train [KEY=VALUE ...], /pawl rerun [force], or /pawl explain; for a fork with commit=<full id>"
_WORDS = ("train", "rerun", "explain")
_FIRST_LINE = re.compile(r"\A/pawl(?:[ \t]+([^\r\n]*))?(?:\r?\n|\Z)")


@dataclass(frozen=True)
class Command:
    """What a comment asks for."""

    word: Literal["train", "rerun", "explain"]
    overrides: tuple[str, ...] = ()
    force: bool = False
    commit: str | None = None
    """The commit that the commenter has read."""


def is_command(body: object) -> bool:
    """Whether a comment speaks to us: it begins with /pawl, not merely names it."""
    return isinstance(body, str) and _FIRST_LINE.match(body) is not None


def parse(body: str) -> Command:
    """The command in the first line of a comment. Raises InputError, with the usage, for one that is none.

    >>> parse("/pawl train digits.train.epochs=5")
    Command(word='train', overrides=('digits.train.epochs=5',), force=False, commit=None)
    """
    found = _FIRST_LINE.match(body)
    try:
        words = shlex.split(found[1] or "") if found else []
    except ValueError as error:
        raise InputError(f"the command has a quote too few or too many ({error}): {USAGE}.") from None
    if not words or words[0] not in _WORDS:
        hint = f" {nearest(words[0], _WORDS)}" if words else ""
        raise InputError(f"that is no command:{hint} {USAGE}.")
    word, rest = words[0], words[1:]
    commits = [one.removeprefix("commit=") for one in rest if one.startswith("commit=")]
    rest = [one for one in rest if not one.startswith("commit=")]
    force = word == "rerun" and "force" in rest
    overrides = [one for one in rest if not (force and one == "force")]
    if len(commits) > 1 or any(not re.fullmatch("[0-9a-f]{40}", commit) for commit in commits):
        raise InputError(f"commit= takes one full id of 40 hexadecimal digits: {USAGE}.")
    if overrides and word == "rerun":
        raise InputError(f"rerun changes nothing: {USAGE}.")
    checked = wishes_of({"overrides": shlex.join(overrides)})
    return Command(word, checked.overrides, force, commits[0] if commits else None)  # type: ignore[arg-type]


def inputs_for(command: Command, pull: Mapping[str, Any], repository: str) -> dict[str, str]:
    """The inputs of the dispatch that carries the command out on the pull request's present head.

    Raises InputError where a fork's commit was not named, or is not the head any more: what runs is what was read.
    """
    head = pull["head"]
    theirs = (head.get("repo") or {}).get("full_name")
    if theirs != repository and command.commit is None:
        raise InputError(
            f"this pull request comes from a fork: read it, and name what you have read: /pawl {command.word} "
            "commit=<full id>."
        )
    if command.commit not in (None, head["sha"]):
        raise InputError(f"the head is {head['sha']} by now, not {command.commit}: read what is new, and name that.")
    wishes = Wishes(
        overrides=command.overrides,
        force=command.force,
        pull_request=int(pull["number"]),
        commit=str(head["sha"]),
        dry_run=command.word == "explain",
    )
    return {
        "overrides": shlex.join(wishes.overrides),
        "force": str(wishes.force).lower(),
        "pull_request": str(wishes.pull_request),
        "commit": str(wishes.commit),
        "dry_run": str(wishes.dry_run).lower(),
    }
