"""The part of the fake GitHub that holds a repository's contents: git's objects and branches, written through the API.

Blobs have git's own ids, so that a client can foresee them. Permissions, fast-forwards and `beforeOid` are enforced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.github_answers import NOT_FOUND, Answer, error, refused

if TYPE_CHECKING:
    from tests.fakes.github_state import Identity, State

NOTHING = "0" * 40


@dataclass(frozen=True)
class Commit:
    tree: str
    parents: tuple[str, ...]


@dataclass
class Contents:
    """One repository's objects and branches."""

    repository: str
    default_branch: str = "main"
    blobs: dict[str, bytes] = field(default_factory=dict)
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    """id -> path of a file -> its blob, folders and all."""
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    protected: tuple[str, ...] = ()
    """Branches that take changes through pull requests only."""
    forbids_force: bool = False
    """A rule of the repository against force-pushes."""

    def files(self, branch: str) -> dict[str, bytes]:
        """What a branch holds: path -> content."""
        return {path: self.blobs[blob] for path, blob in self.trees[self.commits[self.branches[branch]].tree].items()}

    def history(self, branch: str) -> int:
        """How many commits lead to the branch."""
        return len(self.ancestors(self.branches[branch]))

    def ancestors(self, commit: str) -> set[str]:
        """The commit and all before it."""
        found: set[str] = set()
        waiting = [commit]
        while waiting:
            if (one := waiting.pop()) not in found:
                found.add(one)
                waiting += self.commits[one].parents
        return found

    def add_branch(self, branch: str, files: dict[str, bytes], parents: tuple[str, ...] = ()) -> str:
        """A branch with these files, as somebody pushed it; its commit."""
        tree = self.add_tree({path: self.add_blob(content) for path, content in files.items()})
        self.branches[branch] = self.add_commit(tree, parents)
        return self.branches[branch]

    def add_blob(self, content: bytes) -> str:
        sha = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        self.blobs[sha] = content
        return sha

    def add_tree(self, files: dict[str, str]) -> str:
        sha = hashlib.sha1(json.dumps(["tree", files], sort_keys=True).encode()).hexdigest()
        self.trees[sha] = files
        return sha

    def add_commit(self, tree: str, parents: tuple[str, ...]) -> str:
        """Two commits of the same are two, as their times differ."""
        sha = hashlib.sha1(json.dumps(["commit", tree, parents, len(self.commits)]).encode()).hexdigest()
        self.commits[sha] = Commit(tree, parents)
        return sha


def route_contents(
    state: State, base: str, method: str, path: str, query: dict[str, list[str]], body: Any, identity: Identity
) -> Answer | None:
    """The answer for what this module knows; None for any other path."""
    if (method, path) == ("POST", "/graphql") and "updateRefs" in str(body.get("query")):
        return update_refs(state, body.get("variables") or {}, identity)
    if found := re.fullmatch(r"/repos/([^/]+/[^/]+)", path):
        contents = state.contents.get(found[1])
        return (200, {"full_name": found[1], "node_id": f"R_{found[1]}"}, {}) if contents and method == "GET" else None
    found = re.fullmatch(r"/repos/([^/]+/[^/]+)/git/([a-z]+)(?:/(.+))?", path)
    if not found:
        return None
    contents = state.contents.get(found[1])
    if contents is None or not identity.permissions.get("contents"):
        return NOT_FOUND
    if method != "GET" and not identity.may_write("contents"):
        return refused(identity)
    if (method, found[2]) == ("GET", "ref"):
        return get_ref(contents, found[3] or "")
    if (method, found[2]) == ("GET", "trees"):
        return get_tree(contents, found[3] or "", query)
    if (method, found[2]) == ("PATCH", "refs"):
        return patch_ref(contents, found[3] or "", body)
    makers = {"blobs": make_blob, "trees": make_tree, "commits": make_commit, "refs": make_ref}
    if method == "POST" and found[2] in makers and not found[3]:
        return makers[found[2]](contents, body)
    return NOT_FOUND


def as_ref(name: str, sha: str) -> dict[str, Any]:
    return {"ref": f"refs/heads/{name}", "object": {"type": "commit", "sha": sha}}


def get_ref(contents: Contents, ref: str) -> Answer:
    name = ref.removeprefix("heads/")
    sha = contents.branches.get(name)
    return (200, as_ref(name, sha), {}) if sha else NOT_FOUND


def get_tree(contents: Contents, name: str, query: dict[str, list[str]]) -> Answer:
    """A tree by its own id or a commit's; with `recursive`, all that is below, folders included."""
    sha = contents.commits[name].tree if name in contents.commits else name
    if sha not in contents.trees:
        return NOT_FOUND
    entries = []
    files = contents.trees[sha]
    for folder in sorted({path.split("/")[0] for path in files if "/" in path}):
        below = {path.partition("/")[2]: blob for path, blob in files.items() if path.startswith(f"{folder}/")}
        entries.append({"path": folder, "mode": "040000", "type": "tree", "sha": contents.add_tree(below)})
    for path, blob in sorted(files.items()):
        if "recursive" in query or "/" not in path:
            entries.append({"path": path, "mode": "100644", "type": "blob", "sha": blob})
    return 200, {"sha": sha, "tree": entries, "truncated": False}, {}


def make_blob(contents: Contents, body: Any) -> Answer:
    try:
        content = base64.b64decode(body["content"], validate=True)
    except (KeyError, binascii.Error):
        return 422, error("Problems parsing content", status="422"), {}
    return 201, {"sha": contents.add_blob(content)}, {}


def make_tree(contents: Contents, body: Any) -> Answer:
    files: dict[str, str] = {}
    for entry in body.get("tree") or []:
        if entry["type"] == "tree" and entry["sha"] in contents.trees:
            files |= {f"{entry['path']}/{path}": blob for path, blob in contents.trees[entry["sha"]].items()}
        elif entry["type"] == "blob" and entry["sha"] in contents.blobs:
            files[entry["path"]] = entry["sha"]
        else:
            return 422, error(f"tree.sha {entry['sha']} is not a valid {entry['type']}", status="422"), {}
    return 201, {"sha": contents.add_tree(files)}, {}


def make_commit(contents: Contents, body: Any) -> Answer:
    parents = tuple(body.get("parents") or ())
    if body.get("tree") not in contents.trees or not all(parent in contents.commits for parent in parents):
        return 422, error("Tree SHA does not exist", status="422"), {}
    return 201, {"sha": contents.add_commit(body["tree"], parents)}, {}


def make_ref(contents: Contents, body: Any) -> Answer:
    name = str(body.get("ref")).removeprefix("refs/heads/")
    if name in contents.branches:
        return 422, error("Reference already exists", status="422"), {}
    if body.get("sha") not in contents.commits:
        return 422, error("Object does not exist", status="422"), {}
    contents.branches[name] = body["sha"]
    return 201, as_ref(name, body["sha"]), {}


def patch_ref(contents: Contents, ref: str, body: Any) -> Answer:
    name = ref.removeprefix("heads/")
    if name not in contents.branches:
        return 422, error("Reference does not exist", status="422"), {}
    if contents.branches[name] not in contents.ancestors(body["sha"]) and not body.get("force"):
        return 422, error("Update is not a fast forward", status="422"), {}
    contents.branches[name] = body["sha"]
    return 200, as_ref(name, body["sha"]), {}


def update_refs(state: State, variables: Any, identity: Identity) -> Answer:
    """All or nothing, each from where it must be; GraphQL says no with 200."""
    given = variables.get("input") or {}
    contents = state.contents.get(str(given.get("repositoryId")).removeprefix("R_"))
    if contents is None or not identity.graphql or not identity.may_write("contents"):
        return no("FORBIDDEN", "Resource not accessible by integration")
    for change in given["refUpdates"]:
        name = change["name"].removeprefix("refs/heads/")
        there = contents.branches.get(name, NOTHING)
        forced = there != NOTHING and there not in contents.ancestors(change["afterOid"])
        if change.get("beforeOid") not in (None, there):
            return no("UNPROCESSABLE", f"Reference update failed: expected {change['beforeOid']}")
        if forced and (contents.forbids_force or not change.get("force")):
            return no("UNPROCESSABLE", "Cannot force-push to this branch")
    for change in given["refUpdates"]:
        contents.branches[change["name"].removeprefix("refs/heads/")] = change["afterOid"]
    return 200, {"data": {"updateRefs": {"clientMutationId": None}}}, {}


def no(kind: str, message: str) -> Answer:
    return 200, {"data": {"updateRefs": None}, "errors": [{"type": kind, "message": message}]}, {}
