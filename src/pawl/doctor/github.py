"""What GitHub itself is set to: read over its API, with whatever the token may see."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pawl import git
from pawl.doctor import github_settings as settings
from pawl.doctor.checks import Check, carry_out
from pawl.doctor.diagnosis import Line, not_checked, ok, warning
from pawl.doctor.github_settings import Read, Repository
from pawl.errors import InputError, PawlError, ServiceError
from pawl.publish.environment import Target, target_from_environment
from pawl.publish.github_api import GitHubApi
from pawl.publish.retry import Patience

# Beside all other checks, within their time: one more try, and no long wait.
_PATIENCE = Patience(tries=2, total_wait_seconds=2.0, request_seconds=3)
_PERSONAL = "Ask with a token of an administrator, which can read it."


def github_lines(
    top: Path | None, environ: Mapping[str, str], workflows: dict[str, str], seconds: float, lock: str = "pull-request"
) -> list[Line]:
    """All that GitHub can be asked about, at the same time; whatever goes wrong is a line of its own.

    `workflows` are those of the checkout (file name -> text); `lock` is `promote.lock` of pawl.yaml.
    """
    until = time.monotonic() + seconds
    try:
        target = target_of(top, environ)
        content, headers = _api(target).read(f"/repos/{target.repository}")
    except PawlError as problem:
        remedy = (
            "Set GITHUB_TOKEN, and GITHUB_REPOSITORY as owner/name; docs/doctor.md has what it must be able to read."
        )
        return [not_checked("github", "token", str(problem), remedy)]
    repository = _repository(target.repository, content)
    if repository is None:
        return [not_checked("github", "token", "GitHub's answer about the repository is not what it documents")]
    lines = [_token_line(repository, content, headers)]
    questions: list[tuple[str, Callable[[Read, Repository], list[Line]]]] = [
        ("required status", settings.rule_lines),
        ("fork approval", settings.fork_lines),
        ("workflow permissions", lambda read, about: settings.permission_lines(read, about, lock)),
        ("runners", lambda read, about: settings.runner_lines(read, about, workflows)),
        ("secrets", settings.secret_lines),
        ("workflow", settings.committed_lines),
    ]
    checks = [Check("github", name, _asked(name, look, target, repository)) for name, look in questions]
    return [*lines, *carry_out(checks, max(until - time.monotonic(), 0.1))]


def target_of(top: Path | None, environ: Mapping[str, str]) -> Target:
    """Where to ask: as in a workflow, else by the remote `origin` of a clone. Raises InputError."""
    env = dict(environ)
    if not env.get("GITHUB_REPOSITORY") and top is not None:
        server = (env.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
        origin = git.git(top, "remote", "get-url", "origin", check=False)
        # Only of the server that the token is for: any other must be named by whoever sets the token.
        host = re.escape(server.removeprefix("https://").removeprefix("http://"))
        found = re.fullmatch(
            rf"(?:https?://(?:[^/@]*@)?|ssh://git@|git@){host}[:/](?P<slug>[^/]+/[^/]+?)(?:\.git)?/?", origin
        )
        if found:
            env["GITHUB_REPOSITORY"] = found["slug"]
    return target_from_environment(env)


def _api(target: Target) -> GitHubApi:
    return GitHubApi(target, _PATIENCE, lambda line: None)


def _repository(slug: str, content: Any) -> Repository | None:
    if not isinstance(content, dict) or not isinstance(content.get("default_branch"), str):
        return None
    owner = content.get("owner")
    is_organization = isinstance(owner, dict) and owner.get("type") == "Organization"
    organization = slug.split("/")[0] if is_organization else None
    return Repository(slug, content["default_branch"], content.get("private") is not False, organization)


def _token_line(repository: Repository, content: Mapping[str, Any], headers: Mapping[str, str]) -> Line:
    """What the token may do, as far as GitHub tells: the scopes of a classic one, else its role."""
    roles = content.get("permissions")
    may = [name for name in ("admin", "push", "pull") if isinstance(roles, dict) and roles.get(name) is True]
    found = f"reads {repository.slug} ({'private' if repository.is_private else 'public'})"
    found += f"; role: {may[0]}" if may else ""
    expires = headers.get("github-authentication-token-expiration")
    found += f"; expires {expires}" if expires else ""
    scopes = {scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",") if scope.strip()}
    if scopes:
        found += f"; a classic token with {', '.join(sorted(scopes))}"
        remedy = "Use a fine-grained token of this repository alone: a classic one opens all that its owner may see."
        return warning("github", "token", found, remedy)
    return ok("github", "token", found)


def _asked(
    name: str,
    look: Callable[[Read, Repository], list[Line]],
    target: Target,
    repository: Repository,
) -> Callable[[], list[Line]]:
    """A question with a connection of its own, and in its own words where the token may not ask it."""

    def answer() -> list[Line]:
        api = _api(target)
        try:
            return look(lambda path: api.read(path)[0], repository)
        except InputError as problem:
            status = re.search(r"\((\d{3}) ", str(problem))
            why = (
                f"GitHub answers {status[1]}: the token may not read it, or it is not there" if status else str(problem)
            )
            return [not_checked("github", name, why, _PERSONAL)]
        except ServiceError as problem:
            return [not_checked("github", name, str(problem))]

    return answer
