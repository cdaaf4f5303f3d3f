"""Talking to GitHub's REST API: one request, its retries, and what its refusals mean."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pawl.errors import InputError, PawlError, ServiceError
from pawl.publish.environment import Target
from pawl.publish.retry import Failure, Patience, wait_seconds
from pawl.waiting import within

if TYPE_CHECKING:
    from github.Requester import Requester

Progress = Callable[[str], None]

REDIRECTS = (301, 302, 307, 308)


class GitHubApi:
    """A connection with one budget of waiting for all its requests.

    PyGithub makes the requests; its own retries are off, because they repeat a POST whose answer was lost without
    looking whether it had its effect.
    """

    def __init__(self, target: Target, patience: Patience, progress: Progress) -> None:
        self.target = target
        self.patience = patience
        self.progress = progress
        self.writes = 0
        """How many writing requests were sent."""
        self._waited_seconds = 0.0
        self._write_failures = 0
        self._requester = _requester(target, patience)

    def read(self, path: str) -> tuple[Any, Mapping[str, str]]:
        """GET `path`, again and again while that can help: the parsed JSON and the headers, names in lower case.

        Raises:
            InputError: GitHub refuses for a reason that a person must mend.
            ServiceError: it does not answer within the patience.
        """
        failures = 0
        while True:
            found = self._send("GET", path, None)
            if not isinstance(found, Failure):
                return found
            failures += 1
            self._wait_or_raise(found, failures, "read " + one_line(path))

    def try_read(self, path: str) -> Any:
        """As `read`, but None where GitHub refuses, for questions that a token may not be allowed to ask."""
        try:
            return self.read(path)[0]
        except InputError:
            return None

    def write(
        self, verb: str, path: str, payload: object, *, doing: str, gone: bool = False, race: str = ""
    ) -> dict[str, Any] | None:
        """Send a change once. None: it may or may not have happened, the wait is over, look before trying again.

        With `gone`, a 404 is None too: somebody else deleted the thing first. So is, with `race`, a 409 or a 422 in
        whose message that pattern is found: somebody else changed it first. An empty answer is an empty dictionary,
        and so is deleting what is not there. Raises as `read` does; failures in a row are counted over all writes.
        """
        self.writes += 1
        found = self._send(verb, path, payload)
        if not isinstance(found, Failure):
            content = found[0]
            if content is None or isinstance(content, dict):
                self._write_failures = 0
                return content or {}
            found = Failure(None, "an answer that is not a JSON object")
        if verb == "DELETE" and found.status == 404:
            return {}
        overtaken = bool(race) and found.status in (409, 422) and re.search(race, found.message) is not None
        self._write_failures += 1
        passes = overtaken or (gone and found.status == 404)
        self._wait_or_raise(found, self._write_failures, doing, passes=passes)
        return None

    def change(self, query: str, variables: Mapping[str, object], *, doing: str) -> Literal["done", "unclear", "no"]:
        """Send a GraphQL mutation once. "unclear" is the None of `write`; "no": GitHub says that it did not do it."""
        self.writes += 1
        found = self._send("POST", self._requester.graphql_url, {"query": query, "variables": dict(variables)})
        if not isinstance(found, Failure):
            content = found[0]
            if isinstance(content, dict) and content.get("data") and not content.get("errors"):
                self._write_failures = 0
                return "done"
            return "no"
        if not found.may_pass:
            return "no"
        self._write_failures += 1
        self._wait_or_raise(found, self._write_failures, doing)
        return "unclear"

    def viewer(self) -> str | None:
        """The login that the token writes as, from GraphQL, which answers installation tokens too; None if refused."""
        found = self._send("POST", self._requester.graphql_url, {"query": "query { viewer { login } }"})
        content = None if isinstance(found, Failure) else found[0]
        for key in ("data", "viewer", "login"):
            content = content.get(key) if isinstance(content, dict) else None
        return content if isinstance(content, str) and content else None

    def _send(self, verb: str, path: str, payload: object) -> tuple[Any, Mapping[str, str]] | Failure:
        """One request without retries; the time of one in vain counts as waited."""
        started = self.patience.now()
        found = self._answer(verb, path, payload)
        if isinstance(found, Failure):
            self._waited_seconds += max(self.patience.now() - started, 0.0)
        return found

    def _answer(self, verb: str, path: str, payload: object) -> tuple[Any, Mapping[str, str]] | Failure:
        import requests

        requester = self._requester
        try:
            # Its own limit is for the time between two bytes.
            status, headers, text = within(
                self.patience.request_seconds, lambda: requester.requestJson(verb, path, input=payload)
            )
        except TimeoutError:
            self._requester = _requester(self.target, self.patience)  # the old one still is at it
            return Failure(None, f"no whole answer within {self.patience.request_seconds:.0f} s")
        except requests.exceptions.SSLError as error:
            raise ServiceError(
                f"the certificate of {self.target.api_url} is not trusted ({one_line(error, self.target.token)}): set"
                " REQUESTS_CA_BUNDLE to the file of its authority"
            ) from error
        except requests.exceptions.RequestException as error:
            return Failure(None, f"{type(error).__name__}, no complete answer")
        except RuntimeError as error:  # PyGithub's word for a redirection to another host
            return Failure(301, one_line(error, self.target.token))
        except ValueError:  # it parses the rate limit's headers before anything else
            return Failure(None, "an answer with malformed headers")
        try:
            content = json.loads(text) if text.strip() else None
        except (ValueError, RecursionError):
            return Failure(status if status >= 400 else None, "an answer that is not JSON", headers)
        if status < 300:
            return content, headers
        return Failure(status, _message(content), headers)

    def _wait_or_raise(self, failure: Failure, failures: int, doing: str, *, passes: bool = False) -> None:
        """Wait as long as the failure asks for; raise where waiting cannot help or the patience is at its end."""
        said = one_line(failure.message, self.target.token)
        word = f"{failure.status} {said}" if failure.status else said
        if not (failure.may_pass or passes):
            raise refusal(failure.status or 0, said, doing, self.target)
        patience = self.patience
        seconds = max(wait_seconds(failure, failures, patience.now(), patience.jitter()), 0.0)
        if failures >= patience.tries:
            raise ServiceError(
                f"GitHub at {self.target.api_url} did not {doing} in {failures} tries (the last: {word}): run the job"
                " again"
            )
        if self._waited_seconds + seconds > patience.total_wait_seconds:
            raise ServiceError(
                f"GitHub at {self.target.api_url} asks to wait {_until(patience.now(), seconds)} before it will {doing}"
                f" ({word}), and {patience.total_wait_seconds:.0f} s is all that is waited for: run the job then"
            )
        self._waited_seconds += seconds
        self.progress(f"GitHub did not {doing} ({word}): waiting {seconds:.0f} s")
        patience.sleep(seconds)


def refusal(status: int, message: str, doing: str, target: Target) -> PawlError:
    """The error for an answer that no waiting changes, with its remedy."""
    said = f"GitHub will not {doing} in {target.repository} ({status} {message})"
    if status == 401:
        return InputError(f"{said}: GITHUB_TOKEN or REPO_TOKEN is expired or mistyped, set a valid one")
    if status == 403 and ("not accessible by" in message or "Must have" in message):
        return InputError(
            f"{said}: give the job `permissions:` with `pull-requests: write` for comments, `statuses: write` for"
            " statuses, `checks: write` for checks, `contents: write` for pictures and `issues: write` for issues; a"
            " workflow started by a fork's pull request never gets them"
        )
    if status == 403 and "locked" in message:
        return InputError(f"{said}: unlock the conversation of the pull request")
    if status == 404:
        return InputError(f"{said}: check the repository, the pull request's number, and that the token can see them")
    if status in REDIRECTS:
        return InputError(
            f"{said}: it was renamed or moved, set GITHUB_REPOSITORY and GITHUB_API_URL to where it is now"
        )
    if status == 422:
        return InputError(f"{said}: what was sent is not valid there")
    return InputError(f"{said}: ask whoever administers the repository")


def _requester(target: Target, patience: Patience) -> Requester:
    """PyGithub's connection without its own retries and pauses."""
    import github

    return github.Github(
        auth=github.Auth.Token(target.token),
        base_url=target.api_url,
        timeout=math.ceil(patience.request_seconds),
        user_agent="pawl",
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
    ).requester


def _message(content: object) -> str:
    """GitHub's own words, with the first of its detailed errors."""
    if not isinstance(content, dict):
        return "without a message"
    words = [content.get("message")]
    details = content.get("errors")
    if isinstance(details, list) and details:
        words.append(details[0].get("message") if isinstance(details[0], dict) else details[0])
    return ": ".join(word for word in words if isinstance(word, str) and word) or "without a message"


def one_line(text: object, token: str = "") -> str:
    """The text on one short line, without the token and without what a terminal would take for a command."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return (line.replace(token, "***") if token else line)[:300]


def _until(now: float, seconds: float) -> str:
    """The wait in words that a person can plan with."""
    if seconds > 366 * 86_400:
        return "for years"
    return f"until {datetime.datetime.fromtimestamp(now + seconds, datetime.UTC):%Y-%m-%d %H:%M} UTC"
