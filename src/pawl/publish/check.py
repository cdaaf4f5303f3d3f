"""The verdict as a check run: a title that says it, and a page of its own.

It stands beside the commit status `pawl` and has another name, because GitHub wants both to pass where a check and a
status share a required name (https://docs.github.com/pull-requests/how-tos/merge-and-close-pull-requests), and a check
run is not to be relied on: only apps may make one, it can appear under any workflow that ran for the commit, and a
branch rule waits for ever for one that could not be made. So the status is what a rule requires.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from pawl.errors import ServiceError
from pawl.publish.environment import Target
from pawl.publish.github_api import GitHubApi, Progress
from pawl.publish.mark import Stamp, check_commit, normalised, supersedes
from pawl.publish.retry import Patience
from pawl.publish.status import shortened
from pawl.report.escape import utf16_units

NAME = "pawl report"
MAX_SUMMARY_UNITS = 60_000
"""GitHub takes 65,535 characters."""
MAX_LOOKS = 30
MAX_PAGES = 10

Conclusion = Literal["success", "failure", "neutral"]
_STAMP = re.compile(r"pawl run=([1-9][0-9]{0,17}) attempt=([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class CheckRun:
    """A check run of ours, as GitHub has it."""

    id: int
    stamp: Stamp
    content: dict[str, Any]
    """What we write of it."""


def set_check(
    target: Target,
    commit: str,
    conclusion: Conclusion,
    title: str,
    summary: str,
    *,
    patience: Patience | None = None,
    progress: Progress = lambda line: None,
) -> Literal["created", "updated", "unchanged", "superseded"]:
    """Make this the one check run of ours on `commit`; "superseded": a newer run's is there, and is left as it is.

    Args:
        target: where, and which workflow run it is of.
        commit: the full id of the commit.
        conclusion: what its mark shows.
        title: one line of text without markup; cut where it is too long.
        summary: Markdown; cut at a line's end where it is too long.
        patience: how long to go on when GitHub does not answer.
        progress: is told what is waited for, a line at a time.

    Raises:
        InputError: something given cannot be used, or the token lacks `checks: write`.
        ServiceError: GitHub did not take it within the patience.
    """
    check_commit(commit)
    ours = Stamp(target.run, target.attempt, commit)
    content: dict[str, Any] = {
        "external_id": "pawl" if ours.run is None else f"pawl run={ours.run} attempt={ours.attempt}",
        "conclusion": conclusion,
        "output": {"title": shortened(title) or "no verdict", "summary": _within_limit(summary)},
    }
    if target.run_url:
        content["details_url"] = target.run_url
    api = GitHubApi(target, patience or Patience(), progress)
    action: Literal["created", "updated", "unchanged"] = "unchanged"
    confirmed: dict[int, CheckRun] = {}
    for _ in range(MAX_LOOKS):
        there = {run.id: run for run in _check_runs(api, commit)} | confirmed
        if any(supersedes(run.stamp, ours) for run in there.values()):
            return "superseded"
        # A check run cannot be deleted: where a lost answer left two, both say the same.
        old = next((run for run in there.values() if run.id not in confirmed and not _same(run.content, content)), None)
        if there and old is None:
            return action
        action = "created" if not there or action == "created" else "updated"
        path, doing = f"/repos/{target.repository}/check-runs", f"set the check of {commit[:10]}"
        if old is None:
            new = {"name": NAME, "head_sha": commit, "status": "completed"} | content
            answer = api.write("POST", path, new, doing=doing)
        else:
            answer = api.write("PATCH", f"{path}/{old.id}", content, doing=doing)
        if run := _check_run(answer):
            confirmed[run.id] = run
    raise ServiceError(f"the check of {commit[:10]} keeps changing under us: run the job again")


def _check_runs(api: GitHubApi, commit: str) -> list[CheckRun]:
    """Our check runs on the commit, over all pages."""
    found: list[CheckRun] = []
    path = (
        f"/repos/{api.target.repository}/commits/{commit}/check-runs?check_name={quote(NAME)}&filter=all&per_page=100"
    )
    for page in range(1, MAX_PAGES + 1):
        content, _ = api.read(f"{path}&page={page}")
        items = content.get("check_runs") if isinstance(content, dict) else None
        if not isinstance(items, list):
            raise ServiceError(f"{api.target.api_url} does not answer as GitHub's API does: check GITHUB_API_URL")
        found += [run for item in items if (run := _check_run(item))]
        if len(items) < 100:
            break
    return found


def _check_run(content: object) -> CheckRun | None:
    """A check run in GitHub's JSON; None for one that is not ours."""
    if not isinstance(content, dict) or not isinstance(content.get("id"), int) or content.get("name") != NAME:
        return None
    said = str(content.get("external_id") or "")
    found = _STAMP.fullmatch(said)
    if not found and said != "pawl":
        return None
    stamp = Stamp(int(found[1]), int(found[2])) if found else Stamp(None)
    return CheckRun(content["id"], stamp, content)


def _same(there: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Whether a check run says what we would write."""
    output = there.get("output")
    said = output if isinstance(output, dict) else {}
    texts = {key: normalised(str(said.get(key) or "")) for key in ours["output"]}
    wanted = {key: normalised(value) for key, value in ours["output"].items()}
    return texts == wanted and all(there.get(key) == value for key, value in ours.items() if key != "output")


def _within_limit(summary: str) -> str:
    """The summary's first lines, as many as GitHub takes."""
    clean = summary.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    kept: list[str] = []
    units = 0
    for line in clean.splitlines():
        units += utf16_units(line) + 1
        if units > MAX_SUMMARY_UNITS:
            break
        kept.append(line)
    return "\n".join(kept) or "no summary"
