"""A pull request on the fake GitHub, and a way to post to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pawl.publish.comment import Posted, post_comment
from pawl.publish.environment import Target
from pawl.publish.retry import Patience
from tests.fakes.github import FakeGitHub

TOKEN = "ghs_secret0123456789"
COMMIT = "c" * 40
NOW = 1_800_000_000.0


@dataclass
class Desk:
    """A pull request on the fake, and a way to post to it without ever sleeping."""

    github: FakeGitHub
    slept: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def target(self, **more: Any) -> Target:
        given: dict[str, Any] = {
            "repository": "acme/ct",
            "pull_request": 7,
            "api_url": self.github.url,
            "token": TOKEN,
            "run": 100,
        }
        return Target(**(given | more))

    def patience(self, **more: Any) -> Patience:
        given: dict[str, Any] = {
            "sleep": self.slept.append,
            "now": lambda: NOW,
            "jitter": lambda: 1.0,
            "request_seconds": 5,
        }
        return Patience(**(given | more))

    def post(
        self, body: str = "the report", commit: str = COMMIT, patience: Patience | None = None, **more: Any
    ) -> Posted:
        """Post with the target's fields taken out of `more`."""
        target = self.target(**{k: more.pop(k) for k in ("run", "attempt", "token", "api_url") if k in more})
        more = {"via": "api"} | more
        return post_comment(
            body, target, commit=commit, patience=patience or self.patience(), progress=self.said.append, **more
        )

    def bodies(self) -> list[str]:
        return self.github.bodies("acme/ct", 7)

    def add(self, body: str, login: str = "github-actions[bot]") -> int:
        return self.github.add_comment("acme/ct", 7, body, login).id

    def writes(self) -> list[str]:
        """The methods of the writing requests so far."""
        return [r.method for r in self.github.requests() if r.method != "GET" and r.path != "/graphql"]
