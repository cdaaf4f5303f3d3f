"""One-job runners of GitHub's, made and removed as a GitHub App.

The App's key signs a short token (JWT); that buys an installation's token with the one permission that is needed; and
that makes the runners. See https://docs.github.com/rest/actions/self-hosted-runners
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from pawl.publish.github_api import one_line
from pawl.publish.retry import Failure, wait_seconds
from pawl.runner.errors import Clock, RunnerError
from pawl.runner.settings import Settings

CONNECT_SECONDS, ANSWER_SECONDS = 10, 30
_JWT_BACK_SECONDS, _JWT_AHEAD_SECONDS = 60, 480
"""GitHub takes no token from the future, and none that lasts over ten minutes."""
_RENEW_SECONDS = 300.0
Removal = Literal["removed", "gone", "busy"]


@dataclass(frozen=True)
class Registered:
    """A runner that GitHub knows and that waits for its one job."""

    id: int
    name: str
    config: str
    """What the program needs to take the job; a secret."""


class GitHubApp:
    """The connection of one slot. Every method raises RunnerError where GitHub does not do its part."""

    def __init__(self, settings: Settings, key: bytes, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.skew_seconds = 0.0
        """GitHub's clock minus ours, from its last answer."""
        self._key = key
        self._token = ""
        self._token_ends = 0.0

    def register(self, name: str) -> Registered:
        """A new runner for one job."""
        payload = {
            "name": name,
            "runner_group_id": self.settings.runner_group,
            "labels": list(self.settings.labels),
            "work_folder": "_work",
        }
        found = self._as_installation("POST", "/generate-jitconfig", payload)
        if isinstance(found, Failure):
            raise self._trouble(found, f"make a runner in {self._owner}", self._runner_words(found))
        try:
            runner = Registered(int(found["runner"]["id"]), name, str(found["encoded_jit_config"]))
        except (KeyError, TypeError, ValueError):
            raise RunnerError("GitHub answered a request for a runner with something else.") from None
        if not runner.config:
            raise RunnerError("GitHub gave a runner without a configuration.")
        return runner

    def remove(self, runner_id: int) -> Removal:
        """Take a runner off the list; a busy one stays, and GitHub removes one by itself when its job is done."""
        found = self._as_installation("DELETE", f"/{runner_id}", None)
        if not isinstance(found, Failure):
            return "removed"
        if found.status == 404:
            return "gone"
        if found.status == 422:
            return "busy"
        raise self._trouble(found, f"remove a runner of {self._owner}", self._runner_words(found))

    @property
    def _owner(self) -> str:
        return self.settings.repository or f"the organization {self.settings.organization}"

    def _as_installation(self, verb: str, path: str, payload: object) -> Any:
        """One request about runners; a token that was withdrawn early is replaced once."""
        path = f"{self.settings.owner_path}/actions/runners{path}"
        found = self._send(verb, path, payload, self._installation_token())
        if isinstance(found, Failure) and found.status == 401:
            self._token = ""
            found = self._send(verb, path, payload, self._installation_token())
        return found

    def _installation_token(self) -> str:
        now = self.clock.wall() + self.skew_seconds
        if self._token and now < self._token_ends - _RENEW_SECONDS:
            return self._token
        settings = self.settings
        path = f"/app/installations/{settings.installation_id}/access_tokens"
        payload: dict[str, Any] = {"permissions": {settings.permission: "write"}}
        if settings.repository:
            payload["repositories"] = [settings.repository.partition("/")[2]]
        found = self._send("POST", path, payload, self._jwt())
        if isinstance(found, Failure) and found.status == 401:
            found = self._send("POST", path, payload, self._jwt())  # now with GitHub's clock
        if isinstance(found, Failure):
            raise self._trouble(found, f"let in the App {settings.app_id}", self._app_words(found))
        try:
            token, ends = str(found["token"]), datetime.datetime.fromisoformat(found["expires_at"])
            self._token, self._token_ends = token, ends.timestamp()
        except (KeyError, TypeError, ValueError):
            raise RunnerError("GitHub answered a request for a token with something else.") from None
        return self._token

    def _jwt(self) -> str:
        import jwt

        now = int(self.clock.wall() + self.skew_seconds)
        claims = {"iat": now - _JWT_BACK_SECONDS, "exp": now + _JWT_AHEAD_SECONDS, "iss": str(self.settings.app_id)}
        return jwt.encode(claims, self._key, algorithm="RS256")

    def _send(self, verb: str, path: str, payload: object, token: str) -> Any:
        """One request: the parsed answer, or a Failure."""
        import requests

        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "pawl-runner",
        }
        try:
            answer = requests.request(
                verb,
                self.settings.api_url + path,
                json=payload,
                headers=headers,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,  # the token goes nowhere else
            )
            content = answer.json() if answer.content else None
        except requests.exceptions.JSONDecodeError:
            content = None
        except requests.exceptions.RequestException as error:
            return Failure(None, f"{type(error).__name__}, no complete answer")
        names = {name.lower(): value for name, value in answer.headers.items()}
        self._measure_skew(names.get("date", ""))
        if answer.status_code < 300:
            return content
        message = content.get("message") if isinstance(content, dict) else None
        return Failure(answer.status_code, one_line(message or "without a message", token), names)

    def _measure_skew(self, date: str) -> None:
        try:
            self.skew_seconds = parsedate_to_datetime(date).timestamp() - self.clock.wall()
        except (ValueError, TypeError, OverflowError):
            return  # no date, no correction

    def _trouble(self, failure: Failure, doing: str, remedy: str) -> RunnerError:
        """The failure in words. `remedy` is empty where time may be one."""
        said = f"{failure.status} {failure.message}" if failure.status else failure.message
        asked = 0.0
        if failure.is_rate_limit or "retry-after" in failure.headers:
            now = self.clock.wall() + self.skew_seconds
            asked = max(wait_seconds(failure, 1, now, 0.0), 0.0)
        if failure.may_pass or not remedy:
            return RunnerError(f"GitHub at {self.settings.api_url} did not {doing} ({said}).", "passing", asked)
        return RunnerError(f"GitHub will not {doing} ({said}): {remedy}.", "refused", asked)

    def _app_words(self, failure: Failure) -> str:
        settings = self.settings
        if failure.status == 401:
            return (
                f"app_id {settings.app_id} and the key in {settings.key_file} do not belong together, or the key was"
                " deleted on the App's page"
            )
        if failure.status == 404:
            return f"installation_id {settings.installation_id} is not one of this App's: it is the number at the end of the address of its page under Installed GitHub Apps"  # noqa: E501
        if failure.status == 403:
            return "the installation is suspended, or an administrator has to agree to it"
        return f"the App needs the permission {self._permission_words}, and {self._owner} among what it is installed on"

    def _runner_words(self, failure: Failure) -> str:
        if failure.status == 409:
            return ""  # the name is taken, and the next will be another
        if failure.status == 401:
            return "its token is refused although it is new, ask whoever administers the App"
        if failure.status in (403, 404):
            return (
                f"the App needs the permission {self._permission_words}, {self._owner} among what it is installed on,"
                f" and the runner group {self.settings.runner_group} open to it"
            )
        if failure.status == 422:
            return "the labels or the runner group are not accepted"
        return "the address moved, set api_url and repository to where it is now"

    @property
    def _permission_words(self) -> str:
        if self.settings.repository:
            return "Administration: read and write (of repositories)"
        return "Self-hosted runners: read and write (of organizations)"
