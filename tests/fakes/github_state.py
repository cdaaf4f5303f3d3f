"""What the fake GitHub remembers: who may do what, pull requests, comments, statuses, faults, and every request."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.fakes.github_actions import Actions
from tests.fakes.github_checks import CheckRun
from tests.fakes.github_contents import Contents
from tests.fakes.github_issues import Issues
from tests.fakes.github_runners import Runners
from tests.fakes.github_settings import Settings

MAX_BODY_UNITS = 65_536
MAX_DESCRIPTION_CHARACTERS = 140
WRITE_ALL = {"contents": "read", "issues": "write", "pull_requests": "write", "statuses": "write"}


@dataclass
class Identity:
    """Whom a token belongs to. An "App" is an installation: `GET /user` is refused, as it is for GITHUB_TOKEN."""

    login: str = "github-actions[bot]"
    kind: Literal["User", "App"] = "App"
    permissions: dict[str, str] = field(default_factory=lambda: dict(WRITE_ALL))
    graphql: bool = True

    def may_write(self, *areas: str) -> bool:
        return any(self.permissions.get(area) == "write" for area in areas)


@dataclass
class PullRequest:
    repository: str
    number: int
    head_sha: str = "a" * 40
    head_ref: str = "change"
    base_sha: str = "b" * 40
    base_ref: str = "main"
    title: str = "A change"
    locked: bool = False
    state: str = "open"
    head_repository: str | None = ""
    """Empty: the same; None: a fork that is gone."""


@dataclass
class Comment:
    id: int
    repository: str
    number: int
    login: str
    kind: str
    body: str
    updates: int = 0
    created_at: str = "2026-01-01T00:00:00Z"
    unseen_listings: int = 0
    """How many more listings leave it out, as a read replica that lags behind does."""


@dataclass
class Status:
    repository: str
    sha: str
    state: str
    context: str
    description: str
    target_url: str | None
    login: str


@dataclass
class Request:
    method: str
    path: str
    query: str
    login: str | None
    user_agent: str
    status: int
    body: Any = None


@dataclass
class Fault:
    """What to do with the next `times` requests (-1: all) that match, after letting `skip` of them through.

    `method` "" matches any; `path` is a regular expression searched in the path. With `applies`, the request has its
    effect although its answer is spoilt. `how` spoils it: "answer" sends `status`, `headers` and `message` (or `raw`);
    "drop" closes the connection; "hang" never answers; "truncate" sends half of the true answer; "pass" sends the true
    answer (after `delay_seconds`, or `before`). `before` runs ahead of it all, as another writer would.
    """

    method: str = ""
    path: str = ""
    times: int = 1
    skip: int = 0
    how: Literal["answer", "drop", "hang", "truncate", "pass"] = "answer"
    status: int = 502
    message: str = "Server Error"
    headers: dict[str, str] = field(default_factory=dict)
    raw: str | None = None
    applies: bool = False
    delay_seconds: float = 0.0
    before: Callable[[], None] | None = None

    def takes(self, method: str, path: str) -> bool:
        """Whether this fault is for the request, counting it."""
        if self.times == 0 or (self.method and self.method != method) or not re.search(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        return True


class State:
    """Everything the server knows; `lock` guards it all."""

    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.path = path
        self.tokens: dict[str, Identity] = {}
        self.pulls: dict[tuple[str, int], PullRequest] = {}
        self.comments: dict[int, Comment] = {}
        self.statuses: list[Status] = []
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.actions = Actions()
        self.settings: dict[str, Settings] = {}
        self.contents: dict[str, Contents] = {}
        self.checks: dict[int, CheckRun] = {}
        self.issues: dict[str, Issues] = {}
        self.next_id = 1_001
        self.runners = Runners()
        self.lag_listings = 0
        if path is not None and path.exists() and path.stat().st_size:
            self.load(json.loads(path.read_text("utf-8")))

    def add_token(self, token: str, login: str = "github-actions[bot]", **more: Any) -> Identity:
        with self.lock:
            self.tokens[token] = Identity(login=login, **more)
            self.save()
            return self.tokens[token]

    def add_pull_request(self, repository: str, number: int, **more: Any) -> PullRequest:
        with self.lock:
            pull = self.pulls[(repository, number)] = PullRequest(repository, number, **more)
            self.save()
            return pull

    def add_comment(self, repository: str, number: int, body: str, login: str, kind: str = "User") -> Comment:
        with self.lock:
            comment = Comment(self.next_id, repository, number, login, kind, body, unseen_listings=self.lag_listings)
            self.comments[comment.id] = comment
            self.next_id += 1
            self.save()
            return comment

    def listed(self, repository: str, number: int) -> list[Comment]:
        """The comments of one pull request, oldest first."""
        with self.lock:
            return [c for c in self.comments.values() if (c.repository, c.number) == (repository, number)]

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            return next((fault for fault in self.faults if fault.takes(method, path)), None)

    def as_json(self) -> dict[str, Any]:
        with self.lock:
            return {
                "tokens": {token: asdict(identity) for token, identity in self.tokens.items()},
                "pulls": [asdict(pull) for pull in self.pulls.values()],
                "comments": [asdict(comment) for comment in self.comments.values()],
                "statuses": [asdict(status) for status in self.statuses],
                "requests": [asdict(request) for request in self.requests],
                "next_id": self.next_id,
            }

    def load(self, data: dict[str, Any]) -> None:
        """Take over what `as_json` wrote; every part may be missing."""
        self.tokens = {token: Identity(**identity) for token, identity in data.get("tokens", {}).items()}
        self.pulls = {(p["repository"], p["number"]): PullRequest(**p) for p in data.get("pulls", [])}
        self.comments = {c["id"]: Comment(**c) for c in data.get("comments", [])}
        self.statuses = [Status(**s) for s in data.get("statuses", [])]
        self.requests = [Request(**r) for r in data.get("requests", [])]
        self.faults = [Fault(**f) for f in data.get("faults", [])]
        self.next_id = data.get("next_id", max(self.comments, default=1_000) + 1)

    def save(self) -> None:
        """Write the state file whole or not at all, so that another process may read it at any time."""
        if self.path is None:
            return
        with self.lock:
            fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            fresh.write_text(json.dumps(self.as_json(), indent=1), "utf-8")
            fresh.replace(self.path)
