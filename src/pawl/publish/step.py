"""The last steps of a run: the comment, the check, and the verdict as a status; or the issue of a scheduled one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

from pawl.console import say
from pawl.errors import InputError, PawlError
from pawl.publish.check import Conclusion, set_check
from pawl.publish.comment import Posted, Via, post_comment
from pawl.publish.environment import Target, target_from_environment
from pawl.publish.issue import Told, tell_issue
from pawl.publish.status import State, set_status
from pawl.report.escape import one_line
from pawl.schema import Comparison
from pawl.session import read_file

TITLE = "pawl"
_LONGEST_HEADLINE = 400
_T = TypeVar("_T")

_ISSUE_WORDS = {
    "worse": "is worse",
    "failed": "failed",
    "not comparable": "cannot be compared",
    "better": "is better",
    "no measurable change": "is as good as before",
    "unchanged": "changed nothing",
}


def publish(
    reports: Path,
    *,
    slug: str | None,
    pull_request: int | None,
    commit: str | None,
    via: str,
    status: bool,
    check: bool,
    title: str = TITLE,
) -> None:
    """Post `report.md`, and set the check and the commit status; without a pull request (a push), only these two.

    One that fails does not keep the others from being tried: a branch rule would wait for ever for a status that was
    never set because the conversation is locked. The check is said to have failed, and that is all; for the others the
    first error is raised at the end: InputError for what cannot be used, ServiceError where GitHub does not take it.
    """
    if via not in ("auto", "cml", "api"):
        raise InputError(f'--via {via}: it must be "auto", "cml" or "api".')
    comparison, body = _report(reports)
    target = target_from_environment(os.environ, repository=slug, pull_request=pull_request)
    about = commit or comparison.started_from or comparison.head.commit
    errors: list[PawlError] = []
    posted: Posted | None = None
    if target.pull_request is not None:
        posted = _tried(
            lambda: post_comment(body, target, title=title, commit=about, via=cast(Via, via), progress=say), errors
        )
        if posted:
            say(f"comment: {posted.action} through {posted.via}: {posted.url}")
    newer = posted.superseded_by if posted else None
    overtaken = newer is not None and newer.commit == about
    if check and not overtaken:
        overtaken = _check(target, about, comparison, body, posted.url if posted else None) == "superseded"
    if status and overtaken:
        say(f"status: superseded on {about[:10]}, by a newer run")
    elif status:
        url = posted.url if posted else target.run_url
        _tried(lambda: _status(target, about, comparison, url), errors)
    if errors:
        raise errors[0]


def tell(reports: Path, *, slug: str | None, commit: str | None, key: str = TITLE, labels: Sequence[str] = ()) -> Told:
    """Open, update or close the issue of a scheduled training by `report.md` and the verdict.

    Somebody has to look where the gate is closed: worse, failed, or a primary metric that cannot be compared. Raises as
    `publish` does.
    """
    comparison, body = _report(reports)
    target = target_from_environment(os.environ, repository=slug)
    about = commit or comparison.started_from or comparison.head.commit
    bad = not comparison.gate_passed or comparison.verdict in ("worse", "failed")
    title = f"{key}: the scheduled training {_ISSUE_WORDS[comparison.verdict]}"
    told = tell_issue(body, target, bad=bad, title=title, commit=about, key=key, labels=labels, progress=say)
    say(f"issue: {told.action}{f': {told.url}' if told.url else ''}")
    return told


def _report(reports: Path) -> tuple[Comparison, str]:
    comparison = read_file(reports, "comparison.json", Comparison, "pawl compare")
    try:
        return comparison, (reports / "report.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{reports / 'report.md'} cannot be read ({error}): run `pawl report` first.") from None


def _tried(write: Callable[[], _T], errors: list[PawlError]) -> _T | None:
    """What `write` returns; None, with its error among the others and said, where it fails."""
    try:
        return write()
    except PawlError as error:
        if errors:
            say(f"pawl: {error}")
        errors.append(error)
        return None


def _status(target: Target, commit: str, comparison: Comparison, url: str | None) -> None:
    state: State = "success" if comparison.gate_passed else "failure"
    description = one_line(comparison.headline, _LONGEST_HEADLINE)
    set_status(target, commit, state, description, TITLE, url=url, progress=say)
    say(f"status: {state} on {commit[:10]}")


def _check(target: Target, commit: str, comparison: Comparison, body: str, url: str | None) -> str | None:
    """Set the check; None where it cannot be set, which is no reason to lose the rest."""
    conclusion: Conclusion = "success" if comparison.gate_passed else "failure"
    # Nothing was measured, or something that is not in the commit.
    if comparison.overrides or (comparison.verdict == "unchanged" and comparison.gate_passed):
        conclusion = "neutral"
    first_lines, _, _ = body.strip().partition("\n\n")
    summary = f"{first_lines}\n\n[The whole report]({url})" if url else first_lines
    title = one_line(comparison.headline, _LONGEST_HEADLINE)
    try:
        done = set_check(target, commit, conclusion, title, summary, progress=say)
    except PawlError as error:
        say(f"check: not set: {error}")
        return None
    say(f"check: {done}, {conclusion} on {commit[:10]}")
    return done
