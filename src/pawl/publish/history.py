"""The rows of earlier pushes, taken over from our comments into the one that is about to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pawl.publish.environment import Target
from pawl.publish.mark import body_budget_units, report_in
from pawl.publish.thread import Comment
from pawl.report.escape import safe_address
from pawl.report.history import Push, history_at_end, with_history


def run_address(target: Target, push: Push) -> str | None:
    """Where the workflow run of a row can be opened; None for a run outside of workflows."""
    if push.run is None:
        return None
    return safe_address(replace(target, run=push.run, attempt=push.attempt).run_url)


def with_earlier_pushes(report: str, ours: Sequence[Comment], target: Target, title: str, commit: str) -> str:
    """`report` with the rows that our comments hold, the oldest comment first, before its own, of `commit`."""
    earlier = [push for comment in ours for push in history_at_end(report_in(comment.body, title))[1]]
    return with_history(
        report,
        earlier,
        body_budget_units(title),
        run=target.run,
        attempt=target.attempt,
        commit=commit,
        address_of=lambda push: run_address(target, push),
    )
