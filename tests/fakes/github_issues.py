"""The part of the fake GitHub that holds issues and labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.github_answers import NOT_FOUND, Answer, error, invalid, refused, user

if TYPE_CHECKING:
    from tests.fakes.github_state import Identity, State

MAX_BODY_UNITS = 65_536
CHANGEABLE = ("title", "body", "state", "state_reason")


@dataclass
class Issue:
    repository: str
    number: int
    login: str
    title: str
    body: str
    state: str = "open"
    state_reason: str | None = None
    labels: list[str] = field(default_factory=list)
    updates: int = 0
    changed: int = 0
    """Grows with every change in the repository."""
    unseen_listings: int = 0
    is_pull_request: bool = False


@dataclass
class Issues:
    """One repository's issues and labels."""

    issues: dict[int, Issue] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    enabled: bool = True

    def add(self, repository: str, login: str, title: str, body: str, *, number: int) -> Issue:
        issue = self.issues[number] = Issue(repository, number, login, title, body, changed=number)
        return issue


def as_issue(base: str, issue: Issue) -> dict[str, Any]:
    also = {"pull_request": {"url": f"{base}/repos/{issue.repository}/pulls/{issue.number}"}}
    return (also if issue.is_pull_request else {}) | {
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
        "state_reason": issue.state_reason,
        "labels": [{"name": name} for name in issue.labels],
        "user": user(issue.login, "App" if issue.login.endswith("[bot]") else "User"),
        "html_url": f"{base}/{issue.repository}/issues/{issue.number}",
    }


def route_issues(
    state: State, base: str, method: str, path: str, query: dict[str, list[str]], body: Any, identity: Identity
) -> Answer | None:
    """The answer for what this module knows; None for any other path."""
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/labels/(.+)", path):
        known = state.issues.get(found[1])
        return (200, {"name": found[2]}, {}) if known and found[2] in known.labels and method == "GET" else NOT_FOUND
    found = re.fullmatch(r"/repos/([^/]+/[^/]+)/issues(?:/(\d+))?", path)
    there = state.issues.get(found[1]) if found else None
    if not found or there is None or (found[2] and int(found[2]) not in there.issues):
        return None
    if not there.enabled:
        return 410, error("Issues has been disabled in this repository.", status="410"), {}
    if method == "GET":
        if found[2]:
            return 200, as_issue(base, there.issues[int(found[2])]), {}
        return listing(state, base, found[1], path, query)
    if not identity.may_write("issues"):
        return refused(identity)
    text = body.get("body") or ""
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_BODY_UNITS:
        return invalid("Issue", "body", f"body is too long (maximum is {MAX_BODY_UNITS} characters)")
    if method == "POST" and not found[2]:
        if not body.get("title"):
            return invalid("Issue", "title", "title can't be blank", "missing_field")
        number = max([*there.issues, *(n for slug, n in state.pulls if slug == found[1]), 0]) + 1
        issue = there.add(found[1], identity.login, body["title"], text, number=number)
        issue.labels = list(body.get("labels") or [])
        # GitHub makes labels that are not there where the token may.
        there.labels |= set(issue.labels)
        issue.unseen_listings = state.lag_listings
    elif method == "PATCH" and found[2]:
        issue = there.issues[int(found[2])]
        for name in CHANGEABLE:
            if name in body:
                setattr(issue, name, body[name])
        issue.updates += 1
    else:
        return NOT_FOUND
    issue.changed = max(one.changed for one in there.issues.values()) + 1
    return (201 if method == "POST" else 200), as_issue(base, issue), {}


def listing(state: State, base: str, repository: str, path: str, query: dict[str, list[str]]) -> Answer:
    """One page of issues, and of pull requests as well, by what changed last."""
    wanted = query.get("state", ["open"])[0]
    every = [issue for issue in state.issues[repository].issues.values() if wanted in ("all", issue.state)]
    issues = sorted((i for i in every if i.unseen_listings <= 0), key=lambda issue: -issue.changed)
    for issue in every:
        issue.unseen_listings -= 1
    pulls = [
        {"number": number, "title": pull.title, "body": "", "state": "open", "pull_request": {"url": ""}}
        for (slug, number), pull in state.pulls.items()
        if slug == repository and wanted in ("all", "open")
    ]
    both = pulls + [as_issue(base, issue) for issue in issues]
    size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
    more = {"Link": f'<{base}{path}?page={page + 1}>; rel="next"'} if page * size < len(both) else {}
    return 200, both[(page - 1) * size : page * size], more
