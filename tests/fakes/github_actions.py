"""The part of the fake GitHub around workflows: who may do what, dispatched runs, reactions, and files by path."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.github_answers import NOT_FOUND, Answer, error, invalid, refused
from tests.fakes.github_contents import Contents

if TYPE_CHECKING:
    from tests.fakes.github_state import Identity, State

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


@dataclass
class Dispatch:
    """A run that somebody asked for."""

    repository: str
    workflow: str
    ref: str
    inputs: dict[str, str]
    login: str


@dataclass
class Actions:
    """What this module remembers, of all repositories."""

    permissions: dict[str, str] = field(default_factory=dict)
    """Login -> its permission, in every repository; none for whom it does not name."""
    dispatches: list[Dispatch] = field(default_factory=list)
    reactions: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    """Comment -> (content, login), each once."""


def route_actions(
    state: State, base: str, method: str, path: str, query: dict[str, list[str]], body: Any, identity: Identity
) -> Answer | None:
    """The answer for what this module knows; None for any other path."""
    if found := re.fullmatch(r"/repos/[^/]+/[^/]+/collaborators/([^/]+)/permission", path):
        permission = state.actions.permissions.get(found[1])
        # GitHub says "none" of anybody who exists, and 404 of who does not.
        return 200, {"permission": permission or "none", "role_name": permission or "none"}, {}
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/actions/workflows/([^/]+)/dispatches", path):
        return dispatch(state, found[1], found[2], body, identity) if method == "POST" else NOT_FOUND
    if found := re.fullmatch(r"/repos/[^/]+/[^/]+/issues/comments/(\d+)/reactions", path):
        return react(state, int(found[1]), body, identity) if method == "POST" else NOT_FOUND
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/contents/(.+)", path):
        contents = state.contents.get(found[1])
        if contents is None:
            return NOT_FOUND
        if method == "GET":
            return get_file(contents, found[2], query.get("ref", [contents.default_branch])[0])
        return put_file(contents, found[2], body, identity) if method == "PUT" else NOT_FOUND
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)/pulls", path):
        return pulls(state, base, method, found[1], query, body, identity)
    return None


def dispatch(state: State, repository: str, workflow: str, body: Any, identity: Identity) -> Answer:
    if not identity.may_write("actions"):
        return refused(identity)
    inputs = body.get("inputs") or {}
    if not all(isinstance(value, str) for value in inputs.values()) or len(inputs) > 25:
        return 422, error("Invalid inputs", status="422"), {}
    state.actions.dispatches.append(Dispatch(repository, workflow, body["ref"], inputs, identity.login))
    return 204, None, {}


def react(state: State, comment: int, body: Any, identity: Identity) -> Answer:
    if not identity.may_write("issues", "pull_requests"):
        return refused(identity)
    if comment not in state.comments:
        return NOT_FOUND
    if body.get("content") not in REACTIONS:
        return invalid("Reaction", "content", "content is not included in the list")
    given = state.actions.reactions.setdefault(comment, [])
    one = (body["content"], identity.login)
    status = 200 if one in given else 201
    given += [one] if status == 201 else []
    return status, {"id": len(given), "content": body["content"]}, {}


def get_file(contents: Contents, name: str, branch: str) -> Answer:
    if branch not in contents.branches:
        return 404, error(f"No commit found for the ref {branch}", status="404"), {}
    blob = contents.trees[contents.commits[contents.branches[branch]].tree].get(name)
    if blob is None:
        return NOT_FOUND
    encoded = base64.encodebytes(contents.blobs[blob]).decode()
    return 200, {"type": "file", "path": name, "sha": blob, "encoding": "base64", "content": encoded}, {}


def put_file(contents: Contents, name: str, body: Any, identity: Identity) -> Answer:
    if not identity.may_write("contents"):
        return refused(identity)
    branch = body.get("branch", contents.default_branch)
    if branch in contents.protected:
        return 409, error("Repository rule violations found: Changes must be made through a pull request."), {}
    tip = contents.branches[branch]
    files = dict(contents.trees[contents.commits[tip].tree])
    if body.get("sha") != files.get(name):
        return 409, error(f"{name} does not match {body.get('sha')}", status="409"), {}
    files[name] = contents.add_blob(base64.b64decode(body["content"]))
    contents.branches[branch] = contents.add_commit(contents.add_tree(files), (tip,))
    return 200, {"content": {"sha": files[name]}, "commit": {"sha": contents.branches[branch]}}, {}


def pulls(
    state: State, base: str, method: str, repository: str, query: dict[str, list[str]], body: Any, identity: Identity
) -> Answer:
    from tests.fakes.github_routes import as_pull_request

    of_repository = [pull for (slug, _), pull in state.pulls.items() if slug == repository]
    if method == "GET":
        wanted = query.get("head", [""])[0].partition(":")[2]
        return 200, [as_pull_request(base, pull) for pull in of_repository if wanted in ("", pull.head_ref)], {}
    if not identity.may_write("pull_requests"):
        return refused(identity)
    if any(pull.head_ref == body["head"] for pull in of_repository):
        return invalid("PullRequest", "head", f"A pull request already exists for {body['head']}.")
    number = max((pull.number for pull in of_repository), default=0) + 1
    more = {"head_ref": body["head"], "base_ref": body["base"], "title": body["title"]}
    head = state.contents[repository].branches[body["head"]]
    pull = state.add_pull_request(repository, number, head_sha=head, **more)
    return 201, as_pull_request(base, pull), {}
