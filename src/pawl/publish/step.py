"""The last step of a pull request: the comment, and the verdict as a status."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from pawl.console import say
from pawl.errors import InputError
from pawl.publish.comment import Via, post_comment
from pawl.publish.environment import target_from_environment
from pawl.publish.status import set_status
from pawl.schema import Comparison
from pawl.session import read_file

TITLE = "pawl"


def publish(
    reports: Path, *, slug: str | None, pull_request: int | None, commit: str | None, via: str, status: bool
) -> None:
    """Post `report.md` and set the commit status; without a pull request (a push), only the status.

    Raises InputError for what cannot be used, ServiceError where GitHub does not take it.
    """
    if via not in ("auto", "cml", "api"):
        raise InputError(f'--via {via}: it must be "auto", "cml" or "api".')
    comparison = read_file(reports, "comparison.json", Comparison, "pawl compare")
    try:
        body = (reports / "report.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{reports / 'report.md'} cannot be read ({error}): run `pawl report` first.") from None
    target = target_from_environment(os.environ, repository=slug, pull_request=pull_request)
    about = commit or comparison.started_from or comparison.head.commit
    url = None
    if target.pull_request is not None:
        posted = post_comment(body, target, title=TITLE, commit=about, via=cast(Via, via), progress=say)
        say(f"comment: {posted.action} through {posted.via}: {posted.url}")
        url = posted.url
    if status:
        state = "success" if comparison.gate_passed else "failure"
        set_status(target, about, state, comparison.headline, TITLE, url=url, progress=say)  # type: ignore[arg-type]
        say(f"status: {state} on {about[:10]}")
