"""What the fake GitHub answers when nothing goes wrong: the endpoints, their permissions and their limits."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fakes.github_actions import route_actions
from tests.fakes.github_answers import NOT_FOUND, Answer, error, invalid, refused, user
from tests.fakes.github_checks import route_checks
from tests.fakes.github_contents import route_contents
from tests.fakes.github_issues import route_issues
from tests.fakes.github_runners import route_runners
from tests.fakes.github_settings import route_settings
from tests.fakes.github_state import (
    MAX_BODY_UNITS,
    MAX_DESCRIPTION_CHARACTERS,
    Comment,
    Identity,
    PullRequest,
    State,
    Status,
)

STATES = ("error", "failure", "pending", "success")


def route(
    state: State, base: str, method: str, path: str, query: dict[str, list[str]], raw: bytes, identity: Identity | None
) -> Answer:
    """The true answer to one request, its effect applied. The caller holds the state's lock."""
    if identity is None:
        return 401, error("Bad credentials", status="401"), {}
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        return 400, error("Problems parsing JSON", status="400"), {}
    for part in (route_settings, route_actions, route_contents, route_checks, route_issues, route_runners):
        if (answer := part(state, base, method, path, query, body, identity)) is not None:
            return answer
    if (method, path) == ("GET", "/user"):
        return (200, user(identity.login, identity.kind), {}) if identity.kind == "User" else refused(identity)
    if (method, path) == ("POST", "/graphql"):
        return (200, {"data": {"viewer": {"login": identity.login}}}, {}) if identity.graphql else refused(identity)
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/statuses/([^/]+)", path):
        return create_status(state, method, found[1], found[2], body, identity)
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/issues/comments/(\d+)", path):
        return one_comment(state, base, method, found[1], int(found[2]), body, identity)
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/(?:pulls|issues)/(\d+)(/comments)?", path):
        pull = state.pulls.get((found[1], int(found[2])))
        if pull is None:
            return NOT_FOUND
        if not found[3]:
            return 200, as_pull_request(base, pull), {}
        if method == "GET":
            return listing(state, base, path, pull, query)
        if method == "POST":
            return create_comment(state, base, pull, body, identity)
    return NOT_FOUND


def head_repository(pull: PullRequest) -> dict[str, Any] | None:
    if pull.head_repository is None:
        return None
    return {"full_name": pull.head_repository or pull.repository, "fork": bool(pull.head_repository)}


def as_pull_request(base: str, pull: PullRequest) -> dict[str, Any]:
    return {
        "number": pull.number,
        "state": pull.state,
        "title": pull.title,
        "locked": pull.locked,
        "html_url": f"{base}/{pull.repository}/pull/{pull.number}",
        "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": head_repository(pull)},
        "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": {"full_name": pull.repository, "fork": False}},
    }


def as_comment(base: str, comment: Comment) -> dict[str, Any]:
    return {
        "id": comment.id,
        "url": f"{base}/repos/{comment.repository}/issues/comments/{comment.id}",
        "html_url": f"{base}/{comment.repository}/pull/{comment.number}#issuecomment-{comment.id}",
        "body": comment.body,
        "user": user(comment.login, comment.kind),
        "created_at": comment.created_at,
        "updated_at": comment.created_at,
    }


def listing(state: State, base: str, path: str, pull: PullRequest, query: dict[str, list[str]]) -> Answer:
    """One page of comments, oldest first, 30 unless asked for up to 100, with GitHub's Link header."""
    size = min(max(int(query.get("per_page", ["30"])[0]), 1), 100)
    page = max(int(query.get("page", ["1"])[0]), 1)
    comments = [c for c in state.listed(pull.repository, pull.number) if c.unseen_listings <= 0]
    for comment in state.listed(pull.repository, pull.number):
        comment.unseen_listings -= 1
    last = max(-(-len(comments) // size), 1)
    links = []
    if page < last:
        links += [
            f'<{base}{path}?per_page={size}&page={n}>; rel="{rel}"' for n, rel in ((page + 1, "next"), (last, "last"))
        ]
    if page > 1:
        links += [
            f'<{base}{path}?per_page={size}&page={n}>; rel="{rel}"' for n, rel in ((page - 1, "prev"), (1, "first"))
        ]
    shown = [as_comment(base, c) for c in comments[(page - 1) * size : page * size]]
    return 200, shown, {"Link": ", ".join(links)} if links else {}


def body_fault(body: Any) -> Answer | None:
    text = body.get("body") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text.strip():
        return invalid("IssueComment", "body", "body can't be blank", "missing_field")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_BODY_UNITS:
        return invalid("IssueComment", "data", f"Body is too long (maximum is {MAX_BODY_UNITS} characters)")
    return None


def create_comment(state: State, base: str, pull: PullRequest, body: Any, identity: Identity) -> Answer:
    if not identity.may_write("issues", "pull_requests"):
        return refused(identity)
    if pull.locked:
        return 403, error("Unable to create comment because issue is locked.", status="403"), {}
    if fault := body_fault(body):
        return fault
    comment = state.add_comment(pull.repository, pull.number, body["body"], identity.login, identity.kind)
    return 201, as_comment(base, comment), {}


def one_comment(
    state: State, base: str, method: str, repository: str, comment_id: int, body: Any, identity: Identity
) -> Answer:
    comment = state.comments.get(comment_id)
    if comment is None or comment.repository != repository:
        return NOT_FOUND
    if method == "GET":
        return 200, as_comment(base, comment), {}
    if not identity.may_write("issues", "pull_requests"):
        return refused(identity)
    if method == "DELETE":
        del state.comments[comment_id]
        return 204, None, {}
    if method == "PATCH":
        if fault := body_fault(body):
            return fault
        comment.body = body["body"]
        comment.updates += 1
        return 200, as_comment(base, comment), {}
    return NOT_FOUND


def create_status(state: State, method: str, repository: str, sha: str, body: Any, identity: Identity) -> Answer:
    known = repository in state.contents or any(slug == repository for slug, _ in state.pulls)
    if not known or method != "POST":
        return NOT_FOUND
    if not identity.may_write("statuses"):
        return refused(identity)
    if not re.fullmatch(r"[0-9a-f]{40}", sha):
        return 422, error(f"No commit found for SHA: {sha}", status="422"), {}
    if body.get("state") not in STATES:
        return invalid("Status", "state", "state is not included in the list", "custom")
    description = body.get("description") or ""
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        message = f"description is too long (maximum is {MAX_DESCRIPTION_CHARACTERS} characters)"
        return invalid("Status", "description", message, "custom")
    context = body.get("context", "default")
    status = Status(repository, sha, body["state"], context, description, body.get("target_url"), identity.login)
    state.statuses.append(status)
    return 201, {"id": len(state.statuses), "state": status.state, "context": context, "description": description}, {}
