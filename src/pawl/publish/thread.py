"""The conversation of a pull request: who we are in it, and which comments are ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pawl.errors import ServiceError
from pawl.publish.github_api import GitHubApi
from pawl.publish.mark import Stamp, stamp_in

MAX_PAGES = 100
ACTIONS_LOGIN = "github-actions[bot]"


@dataclass(frozen=True)
class Comment:
    """A comment as GitHub has it."""

    id: int
    author: str
    """A login in lower case; "" where the account is gone."""
    body: str
    url: str


def comment_from(content: object) -> Comment | None:
    """The comment in GitHub's JSON; None if it is none."""
    if not isinstance(content, dict) or not isinstance(content.get("id"), int):
        return None
    user, body, url = content.get("user"), content.get("body"), content.get("html_url")
    login = user.get("login") if isinstance(user, dict) else None
    return Comment(
        content["id"],
        login.lower() if isinstance(login, str) else "",
        body if isinstance(body, str) else "",
        url if isinstance(url, str) else "",
    )


def own_login(api: GitHubApi) -> str:
    """The login that the token writes as, in lower case.

    `GET /user` knows people's tokens only. An app's token, such as GITHUB_TOKEN, learns its name from GraphQL; where
    that is closed too, it is taken for GITHUB_TOKEN, and the author of the first comment that we write corrects it.
    """
    user = api.try_read("/user")
    login = user.get("login") if isinstance(user, dict) else None
    if not isinstance(login, str) or not login:
        login = api.viewer() or ACTIONS_LOGIN
    return login.lower()


def all_comments(api: GitHubApi, number: int) -> list[Comment]:
    """Every comment of the pull request, oldest first, over all pages."""
    found: dict[int, Comment] = {}
    path = f"/repos/{api.target.repository}/issues/{number}/comments?per_page=100"
    for page in range(1, MAX_PAGES + 1):
        content, headers = api.read(f"{path}&page={page}")
        items = [comment_from(item) for item in content] if isinstance(content, list) else [None]
        if None in items:
            raise ServiceError(f"{api.target.api_url} does not answer as GitHub's API does: check GITHUB_API_URL")
        # A comment deleted meanwhile moves the pages, so that one can be listed twice.
        found |= {comment.id: comment for comment in items if comment is not None}
        if not _has_next(headers):
            break
    return sorted(found.values(), key=lambda comment: comment.id)


def ours_among(comments: list[Comment], login: str, title: str) -> list[tuple[Stamp, Comment]]:
    """Our marked comments, the one to keep last: every writer that sees the same comments keeps the same one."""
    marked = [(stamp_in(c.body, title), c) for c in comments if c.author == login]
    ours = [(stamp, c) for stamp, c in marked if stamp is not None]
    return sorted(ours, key=lambda pair: (pair[0].order, pair[1].id))


def _has_next(headers: Mapping[str, str]) -> bool:
    return re.search(r'rel="?next"?', headers.get("link", "")) is not None
