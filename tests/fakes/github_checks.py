"""The part of the fake GitHub that holds check runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.github_answers import NOT_FOUND, Answer, error, invalid, refused

if TYPE_CHECKING:
    from tests.fakes.github_state import Identity, State

MAX_SUMMARY_CHARACTERS = 65_535
CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out")


@dataclass
class CheckRun:
    id: int
    repository: str
    head_sha: str
    name: str
    login: str
    status: str = "queued"
    conclusion: str | None = None
    external_id: str = ""
    details_url: str | None = None
    output: dict[str, Any] = field(default_factory=dict)
    updates: int = 0
    unseen_listings: int = 0
    """How many more listings leave it out, as a read replica that lags behind does."""


def as_check_run(base: str, run: CheckRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "head_sha": run.head_sha,
        "name": run.name,
        "status": run.status,
        "conclusion": run.conclusion,
        "external_id": run.external_id,
        "details_url": run.details_url,
        "html_url": f"{base}/{run.repository}/runs/{run.id}",
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0} | run.output,
        "app": {"slug": "github-actions"},
    }


def route_checks(
    state: State, base: str, method: str, path: str, query: dict[str, list[str]], body: Any, identity: Identity
) -> Answer | None:
    """The answer for what this module knows; None for any other path."""
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/commits/([0-9a-f]{40})/check-runs", path):
        if not identity.permissions.get("checks"):
            return refused(identity)
        return listing(state, base, found[1], found[2], query) if method == "GET" else NOT_FOUND
    found = re.fullmatch(r"/repos/([^/]+/[^/]+)/check-runs(?:/(\d+))?", path)
    if not found:
        return None
    if not identity.may_write("checks"):
        return refused(identity)
    if identity.kind != "App":
        return 403, error("You must authenticate via a GitHub App.", status="403"), {}
    if fault := content_fault(body):
        return fault
    if method == "POST" and not found[2]:
        if not body.get("name") or not re.fullmatch("[0-9a-f]{40}", str(body.get("head_sha"))):
            return invalid("CheckRun", "head_sha", "No commit found", "missing_field")
        run = CheckRun(state.next_id, found[1], body["head_sha"], body["name"], identity.login)
        run.unseen_listings = state.lag_listings
        state.next_id += 1
        state.checks[run.id] = run
        change(run, body)
        return 201, as_check_run(base, run), {}
    known = state.checks.get(int(found[2] or 0))
    if method != "PATCH" or known is None or known.repository != found[1]:
        return NOT_FOUND
    if known.login != identity.login:
        return 403, error("Invalid app_id - check run can only be modified by the app that created it."), {}
    change(known, body)
    known.updates += 1
    return 200, as_check_run(base, known), {}


def listing(state: State, base: str, repository: str, sha: str, query: dict[str, list[str]]) -> Answer:
    """One page, the newest first; by default only the latest of each name."""
    runs = [r for r in state.checks.values() if (r.repository, r.head_sha) == (repository, sha)]
    if name := query.get("check_name"):
        runs = [run for run in runs if run.name == name[0]]
    seen = [run for run in runs if run.unseen_listings <= 0]
    for run in runs:
        run.unseen_listings -= 1
    newest = sorted(seen, key=lambda run: -run.id)
    if query.get("filter", ["latest"])[0] == "latest":
        newest = list({run.name: run for run in reversed(newest)}.values())
    size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
    shown = [as_check_run(base, run) for run in newest[(page - 1) * size : page * size]]
    return 200, {"total_count": len(newest), "check_runs": shown}, {}


def content_fault(body: Any) -> Answer | None:
    conclusion, output = body.get("conclusion"), body.get("output") or {}
    if conclusion is not None and conclusion not in CONCLUSIONS:
        return invalid("CheckRun", "conclusion", "conclusion is not included in the list", "custom")
    if body.get("status") == "completed" and conclusion is None:
        return invalid("CheckRun", "conclusion", "conclusion is needed", "missing_field")
    if output and not (output.get("title") and output.get("summary")):
        return invalid("CheckRun", "output", "title and summary are needed", "missing_field")
    if len(output.get("summary") or "") > MAX_SUMMARY_CHARACTERS:
        return invalid("CheckRun", "summary", "summary exceeds a maximum bytesize of 65535", "custom")
    return None


def change(run: CheckRun, body: Any) -> None:
    for name in ("status", "conclusion", "external_id", "details_url", "output"):
        if name in body:
            setattr(run, name, body[name])
    if run.conclusion:
        run.status = "completed"
