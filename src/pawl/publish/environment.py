"""Where to publish: the repository, the pull request, the API and the token, from the environment of a workflow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pawl.errors import InputError

MAX_EVENT_BYTES = 32 * 1024 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Target:
    """A pull request on a GitHub, and the right to write there."""

    repository: str
    """`owner/name`."""
    pull_request: int | None
    """None where the run belongs to no pull request, as on a push: a status can be set, a comment cannot be posted."""
    api_url: str
    """Without a slash at its end."""
    token: str = field(repr=False)
    run: int | None = None
    """The workflow run's id, which grows with every run; None outside a workflow."""
    attempt: int = 1
    server_url: str | None = None
    """Where people see the repository, without a slash at its end; None: by the API's address."""

    @property
    def web_url(self) -> str:
        """The repository's own page."""
        implied = "https://github.com" if self.api_url == "https://api.github.com" else self.api_url
        return f"{self.server_url or implied.removesuffix('/api/v3')}/{self.repository}"

    @property
    def run_url(self) -> str | None:
        """The page of the workflow run; None outside of one."""
        return None if self.run is None else f"{self.web_url}/actions/runs/{self.run}/attempts/{self.attempt}"


def target_from_environment(
    env: Mapping[str, str],
    *,
    repository: str | None = None,
    pull_request: int | None = None,
    api_url: str | None = None,
    token: str | None = None,
) -> Target:
    """Read what GitHub Actions puts into every job; a keyword that is given goes before the environment.

    The token is REPO_TOKEN, else GITHUB_TOKEN. The pull request is that of a `pull_request`, `issue_comment` or
    `workflow_run` event, or the input `pull_request` of a dispatched one. For a `workflow_run` event, `run` is the run
    that trained, so that comments are ordered by when the training began and not by which job was quicker to report.

    Raises:
        InputError: something is missing or malformed.
    """
    event = _event(env)
    slug = repository or env.get("GITHUB_REPOSITORY") or ""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+", slug) or slug.split("/")[1] in (".", ".."):
        where = "--repository" if repository else "GITHUB_REPOSITORY"
        raise InputError(
            f"{where} is {_quoted(slug)}, which is not the owner/name of a repository: set it, as in acme/ct"
        )
    number = pull_request if pull_request is not None else _pull_request(event)
    if number is not None and number < 1:
        raise InputError(f"the pull request is {number}, which is no pull request's number: give its number, as in 42")
    secret = (token or env.get("REPO_TOKEN") or env.get("GITHUB_TOKEN") or "").strip()
    if not secret:
        raise InputError(
            "there is no token to write on GitHub with: pass GITHUB_TOKEN (or REPO_TOKEN) in the step's `env:`, as in"
            " `GITHUB_TOKEN: ${{ github.token }}`"
        )
    if not re.fullmatch(r"[!-~]+", secret):
        raise InputError("the token in GITHUB_TOKEN or REPO_TOKEN has characters that no token has: copy it again")
    run, attempt = _run(env, event)
    server = (env.get("GITHUB_SERVER_URL") or "").rstrip("/") or None
    return Target(slug, number, _api_url(env, api_url), secret, run, attempt, server)


def _event(env: Mapping[str, str]) -> dict[str, Any]:
    """The event's payload; empty where there is none."""
    name = env.get("GITHUB_EVENT_PATH")
    if not name:
        return {}
    path = Path(name)
    try:
        if path.stat().st_size > MAX_EVENT_BYTES:
            raise InputError(f"the event in {path} (GITHUB_EVENT_PATH) is larger than any that GitHub sends: unset it")
        event = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"the event in {path} (GITHUB_EVENT_PATH) cannot be read ({error}): unset it") from error
    return event if isinstance(event, dict) else {}


def _pull_request(event: dict[str, Any]) -> int | None:
    """The number of the pull request that the event is about."""
    if isinstance(found := _inside(event, "pull_request", "number"), int):
        return found
    if isinstance(_inside(event, "issue", "pull_request"), dict):
        return found if isinstance(found := _inside(event, "issue", "number"), int) else None
    if given := _inside(event, "inputs", "pull_request"):
        if not re.fullmatch(r"#?[0-9]{1,9}", str(given).strip()):
            raise InputError(
                f"the workflow's input `pull_request` is {_quoted(given)}: dispatch it again with a number, as in 42"
            )
        return int(str(given).strip().lstrip("#"))
    # A run started by a fork lists none: GitHub does not say which, and a guess could reach the wrong pull request.
    listed = _inside(event, "workflow_run", "pull_requests")
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], dict):
        return found if isinstance(found := listed[0].get("number"), int) else None
    return None


def _run(env: Mapping[str, str], event: dict[str, Any]) -> tuple[int | None, int]:
    """The id of the run whose results are published, and its attempt."""
    run: object = env.get("GITHUB_RUN_ID")
    attempt: object = env.get("GITHUB_RUN_ATTEMPT")
    if trained := _inside(event, "workflow_run", "id"):
        run, attempt = trained, _inside(event, "workflow_run", "run_attempt")
    is_run = re.fullmatch(r"[1-9][0-9]{0,17}", str(run))
    is_attempt = re.fullmatch(r"[1-9][0-9]{0,5}", str(attempt))
    return int(str(run)) if is_run else None, int(str(attempt)) if is_attempt else 1


def _api_url(env: Mapping[str, str], given: str | None) -> str:
    """The API's address, from GITHUB_SERVER_URL where it is not said."""
    server = (env.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/")
    implied = "https://api.github.com" if server == "https://github.com" else f"{server}/api/v3"
    url = (given or env.get("GITHUB_API_URL") or implied).rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.username or parts.query or parts.fragment or parts.scheme not in ("http", "https"):
        raise InputError(
            f"{_quoted(url)} is not the address of a GitHub API: set GITHUB_API_URL as https://HOST/api/v3"
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        raise InputError(f"{_quoted(url)} would send the token unencrypted: set GITHUB_API_URL to an https address")
    return url


def _inside(event: dict[str, Any], *keys: str) -> object:
    """`event[a][b]`, or None where a step of the way is missing; a bool is not a number here."""
    found: object = event
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return None if isinstance(found, bool) else found


def _quoted(text: object) -> str:
    """The text for an error: one line, short, and without the user name and password of an address."""
    return json.dumps(re.sub(r"//[^/@]*@", "//***@", str(text))[:100])
