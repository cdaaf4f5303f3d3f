"""The issue of a scheduled training: open while main is worse on new data or does not train, closed when it is fine.

Ours is the open issue that we wrote and that ends in our mark; everything else is somebody's, whatever it quotes. Its
text is the newest report, so that a month of bad nights is one issue. What a person closes stays closed: the next bad
run opens another one. Looking before every write makes a lost answer and a second attempt the same case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from pawl.errors import InputError, ServiceError
from pawl.publish.environment import Target
from pawl.publish.github_api import GitHubApi, Progress
from pawl.publish.history import run_address
from pawl.publish.mark import (
    MAX_COMMENT_UNITS,
    Stamp,
    check_commit,
    check_title,
    normalised,
    stamp_at_end,
    stamped,
    supersedes,
    utf16_units,
)
from pawl.publish.retry import Patience
from pawl.publish.thread import own_login
from pawl.report.history import history_at_end, with_history

MAX_LOOKS = 30
MAX_PAGES = 20
MAX_CONFIRMED_WRITES = 3
MAX_TITLE_CHARACTERS = 200


@dataclass(frozen=True)
class Issue:
    """An issue as GitHub has it."""

    number: int
    title: str
    body: str
    url: str
    author: str
    """A login in lower case."""
    is_open: bool


@dataclass(frozen=True)
class Told:
    """What became of the issue."""

    action: Literal["opened", "updated", "unchanged", "closed", "superseded", "none"]
    """`none`: all is fine and no issue of ours is open; `superseded`: a newer run has written it."""
    number: int | None = None
    url: str = ""


def tell_issue(
    report: str,
    target: Target,
    *,
    bad: bool,
    title: str,
    commit: str,
    key: str = "pawl",
    labels: Sequence[str] = (),
    patience: Patience | None = None,
    progress: Progress = lambda line: None,
) -> Told:
    """Open or update our issue where the run is `bad`; close it with the report that is fine where it is not.

    Args:
        report: Markdown, escaped as `pawl report` writes it; where it ends with a history, earlier rows are kept.
        target: where; its pull request does not matter.
        bad: whether somebody has to look at it.
        title: the issue's, of one line.
        commit: the full id of the commit that was trained.
        key: tells apart several issues of one repository; letters, digits, dots and hyphens.
        labels: given to a new issue, those of them that the repository has.
        patience: how long to go on when GitHub does not answer.
        progress: is told what is waited for, a line at a time.

    Raises:
        InputError: something given cannot be used, or the token lacks `issues: write`.
        ServiceError: GitHub did not take it within the patience.
    """
    check_title(key)
    check_commit(commit)
    stamp = Stamp(target.run, target.attempt, commit)
    named = " ".join(title.split())[:MAX_TITLE_CHARACTERS]
    compose_issue(report, key, stamp)  # refused before anything is asked of GitHub
    desk = _Desk(GitHubApi(target, patience or Patience(), progress), key)
    action: Literal["opened", "updated", "unchanged"] = "unchanged"
    for _ in range(MAX_LOOKS):
        every = desk.look()
        if newer := next((issue for there, issue in every if supersedes(there, stamp)), None):
            return Told("superseded", newer.number, newer.url)
        ours = [pair for pair in every if pair[1].is_open]
        if not ours and not bad:
            closed = desk.closed
            return Told("closed", closed.number, closed.url) if closed else Told("none")
        text = compose_issue(_with_earlier_runs(report, ours, target, commit, key), key, stamp)
        if not ours:
            desk.open({"title": named, "body": text, "labels": desk.known(labels)})
            action = "opened"
            continue
        (there, keep), *others = ours
        if not bad:
            desk.change(keep, {"state": "closed", "state_reason": "completed", "title": named, "body": text})
        elif others:
            desk.change(others[-1][1], {"state": "closed", "state_reason": "not_planned"})
        elif desk.is_settled(keep, there, stamp) or (normalised(keep.body) == normalised(text) and keep.title == named):
            return Told(action, keep.number, keep.url)
        else:
            action = "opened" if action == "opened" else "updated"
            desk.change(keep, {"title": named, "body": text})
    raise ServiceError("the issue keeps changing under us: run the job again")


def compose_issue(report: str, key: str, stamp: Stamp) -> str:
    """The whole text of the issue. Raises InputError where it is longer than GitHub takes."""
    text = f"{stamped(report, stamp)}\n\n{_mark(key)}"
    if (units := utf16_units(text)) > MAX_COMMENT_UNITS:
        raise InputError(
            f"the issue has {units:,} UTF-16 units and GitHub takes {MAX_COMMENT_UNITS:,}: run `pawl report` again"
        )
    return text


def _mark(key: str) -> str:
    return f"<!-- pawl-issue {key} -->"


def _taken_apart(body: str, key: str) -> tuple[str, Stamp] | None:
    """The report in an issue's text, and its stamp; None for a text that is not marked as ours at its end."""
    text = normalised(body)
    if not text.endswith(f"\n{_mark(key)}"):
        return None
    return stamp_at_end(text.removesuffix(_mark(key)).rstrip())


def _with_earlier_runs(report: str, ours: Sequence[tuple[Stamp, Issue]], target: Target, commit: str, key: str) -> str:
    """`report` with the rows of the runs that the issue has told of, before its own."""
    texts = [found[0] for _, issue in ours if (found := _taken_apart(issue.body, key))]
    limit = MAX_COMMENT_UNITS - utf16_units(compose_issue("", key, Stamp(10**18 - 1, 10**6 - 1, commit)))
    return with_history(
        report,
        [push for text in texts for push in history_at_end(text)[1]],
        limit,
        run=target.run,
        attempt=target.attempt,
        commit=commit,
        address_of=lambda push: run_address(target, push),
    )


class _Desk:
    """The repository's issues, with what this process knows beyond GitHub's listing, which can lag behind."""

    def __init__(self, api: GitHubApi, key: str) -> None:
        self.api = api
        self.key = key
        self.issues = f"/repos/{api.target.repository}/issues"
        self.login = own_login(api)
        self.written: dict[int, Issue] = {}
        self.confirmed_writes = 0
        self.closed: Issue | None = None
        """The one that we closed last."""

    def look(self) -> list[tuple[Stamp, Issue]]:
        """Our issues, the one to keep first: every writer that sees the same issues keeps the same one.

        All that are open, and of the closed ones those that changed last: a newer run may have closed one.
        """
        listed = {i.number: i for i in [*self._listed("closed", 1), *self._listed("open", MAX_PAGES)]}
        every = self.written | listed | {n: i for n, i in self.written.items() if not i.is_open}
        marked = [(_taken_apart(i.body, self.key), i) for i in every.values() if i.author == self.login]
        return sorted(((found[1], i) for found, i in marked if found), key=lambda pair: pair[1].number)

    def is_settled(self, keep: Issue, there: Stamp, stamp: Stamp) -> bool:
        """Whether GitHub took our write of this issue, whatever it made of the text or still shows."""
        return keep.number in self.written and (there == stamp or self.confirmed_writes >= MAX_CONFIRMED_WRITES)

    def known(self, labels: Sequence[str]) -> list[str]:
        """The labels that the repository has: one that it has not would be made, in grey."""
        path = f"/repos/{self.api.target.repository}/labels"
        return [label for label in labels if self.api.try_read(f"{path}/{quote(label, safe='')}") is not None]

    def open(self, payload: dict[str, Any]) -> None:
        """Send a new issue once; whether it arrived is seen at the next look."""
        if issue := _issue(self.api.write("POST", self.issues, payload, doing="open an issue")):
            self._confirm(issue)

    def change(self, issue: Issue, payload: dict[str, Any]) -> None:
        """Send a change once; whether it arrived is seen at the next look."""
        path = f"{self.issues}/{issue.number}"
        if payload.get("state") == "closed":
            self.closed = issue
        if changed := _issue(
            self.api.write("PATCH", path, payload, doing=f"update the issue {issue.number}", gone=True)
        ):
            self._confirm(changed)

    def _confirm(self, issue: Issue) -> None:
        """Remember a write that GitHub acknowledged; its author is who we are, whatever was assumed."""
        self.written[issue.number] = issue
        self.confirmed_writes += 1
        if issue.author:
            self.login = issue.author

    def _listed(self, state: Literal["open", "closed"], most_pages: int) -> list[Issue]:
        """Those that changed last, first."""
        found: list[Issue] = []
        for page in range(1, most_pages + 1):
            path = f"{self.issues}?state={state}&sort=updated&direction=desc&per_page=100&page={page}"
            content, headers = self.api.read(path)
            if not isinstance(content, list):
                raise ServiceError(
                    f"{self.api.target.api_url} does not answer as GitHub's API does: check GITHUB_API_URL"
                )
            found += [issue for item in content if (issue := _issue(item))]
            if not re.search(r'rel="?next"?', headers.get("link", "")):
                break
        return found


def _issue(content: object) -> Issue | None:
    """The issue in GitHub's JSON; None for anything else, such as a pull request, which is listed among them."""
    if not isinstance(content, dict) or not isinstance(content.get("number"), int) or "pull_request" in content:
        return None
    user = content.get("user")
    login = user.get("login") if isinstance(user, dict) else None
    title, body, url = (
        value if isinstance(value := content.get(name), str) else "" for name in ("title", "body", "html_url")
    )
    author = login.lower() if isinstance(login, str) else ""
    return Issue(content["number"], title, body, url, author, content.get("state") != "closed")
