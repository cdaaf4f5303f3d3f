"""Whose code an event brings, and what it may do: one answer for every payload that GitHub sends."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pawl.errors import InputError

MAX_EVENT_BYTES = 32 * 1024 * 1024
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Decision:
    """What a run may do."""

    kind: Literal["pull request", "push", "dispatch", "schedule"]
    may_train: bool
    """Whether the code may reach the GPU runner."""
    is_trusted: bool
    """Whether the run may read main's remote: a stranger's code never may."""
    is_main: bool = False
    """Whether its results are main's own."""
    may_write: bool = True
    """Whether GitHub gives the run a token that can comment."""
    reason: str = ""
    """Why not, in a sentence, where something is not allowed."""


def decide(event_name: str, event: Mapping[str, Any]) -> Decision:
    """The decision table. Raises InputError for an event that the workflow does not know.

    A dispatch is somebody with write access; whose commit it names is found out from GitHub (see `dispatched`).

    >>> decide("schedule", {}).is_main
    True
    """
    if event_name == "pull_request":
        return _pull_request(event)
    if event_name == "push":
        ref, default = str(event.get("ref")), inside(event, "repository", "default_branch")
        return Decision("push", may_train=True, is_trusted=True, is_main=ref == f"refs/heads/{default}")
    if event_name == "workflow_dispatch":
        return Decision("dispatch", may_train=True, is_trusted=True)
    if event_name == "schedule":
        return Decision("schedule", may_train=True, is_trusted=True, is_main=True)
    raise InputError(f"nothing is trained for an event {event_name!r}: call the workflow for one that it names.")


def _pull_request(event: Mapping[str, Any]) -> Decision:
    own = inside(event, "repository", "full_name")
    theirs = inside(event, "pull_request", "head", "repo", "full_name")
    number = _number(event)
    if not own or theirs != own:
        whose = f"the fork {theirs}" if theirs else "a fork that is gone"
        return Decision(
            "pull request",
            may_train=False,
            is_trusted=False,
            may_write=False,
            reason=f"The code comes from {whose}: a maintainer reads it and then dispatches exactly that commit "
            f"(pull_request={number}, commit=...).",
        )
    # GitHub gives its runs no secrets and a token that only reads, as it does for forks.
    author = inside(event, "pull_request", "user", "login")
    if author == "dependabot[bot]":
        return Decision(
            "pull request",
            may_train=False,
            is_trusted=False,
            may_write=False,
            reason=f"Dependabot's runs may write nothing: a maintainer dispatches its commit (pull_request={number}).",
        )
    return Decision("pull request", may_train=True, is_trusted=True)


def dispatched(decision: Decision, pull: Mapping[str, Any], repository: str, commit: str) -> Decision:
    """The decision for a dispatch about `commit` of a pull request, as GitHub describes the request right now.

    Raises InputError where the commit is not its head (any more), or the request is not open: what a maintainer has
    read is what runs, and nothing newer.
    """
    number, head = pull.get("number"), inside(pull, "head", "sha")
    if pull.get("state") != "open":
        raise InputError(f"pull request {number} is not open: there is nothing to train for it.")
    if not _COMMIT.fullmatch(commit) or head != commit:
        raise InputError(
            f"pull request {number} is at {(head or 'no commit')[:40]}, not at {commit!r}: read what is new, and "
            "dispatch that commit."
        )
    if inside(pull, "head", "repo", "full_name") == repository:
        return decision
    return Decision("dispatch", may_train=True, is_trusted=False)


def read_event(path: str | None) -> dict[str, Any]:
    """The payload in the file that GITHUB_EVENT_PATH names. Raises InputError where it is none."""
    if not path:
        raise InputError("GITHUB_EVENT_PATH is not set: this command is for a job of GitHub Actions.")
    try:
        if Path(path).stat().st_size > MAX_EVENT_BYTES:
            raise InputError(f"the event in {path} is larger than any that GitHub sends.")
        event = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"the event in {path} (GITHUB_EVENT_PATH) cannot be read: {error}.") from None
    if not isinstance(event, dict):
        raise InputError(f"the event in {path} (GITHUB_EVENT_PATH) is not an object.")
    return event


def inside(event: object, *keys: str) -> str | None:
    """`event[a][b]`; None where a step of the way is missing, or it is no text or an empty one."""
    found = event
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) and found else None


def _number(event: Mapping[str, Any]) -> int | None:
    """The number of the pull request that the event is about."""
    pull = event.get("pull_request")
    number = pull.get("number") if isinstance(pull, Mapping) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None
