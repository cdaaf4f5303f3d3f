"""The verdict as a commit status: the line with a tick or a cross that a pull request and a branch rule look at."""

from __future__ import annotations

from typing import Literal

from pawl.errors import InputError
from pawl.publish.environment import Target
from pawl.publish.github_api import GitHubApi, Progress
from pawl.publish.mark import check_commit
from pawl.publish.retry import Patience

MAX_DESCRIPTION_CHARACTERS = 140
MAX_CONTEXT_CHARACTERS = 100

State = Literal["success", "failure", "error", "pending"]


def set_status(
    target: Target,
    commit: str,
    state: State,
    description: str,
    context: str,
    *,
    url: str | None = None,
    patience: Patience | None = None,
    progress: Progress = lambda line: None,
) -> None:
    """Set the status `context` of `commit`; a longer description than GitHub takes (140) is cut at its end.

    `url` is where a click on it leads. The same status sent twice is one status, so a lost answer is just sent again.

    Raises:
        InputError: something given cannot be used, or the token lacks `statuses: write`.
        ServiceError: GitHub did not take it within the patience.
    """
    check_commit(commit)
    if not context.strip() or len(context) > MAX_CONTEXT_CHARACTERS:
        raise InputError(
            f"the status's name is {context[:100]!r}: use 1 to {MAX_CONTEXT_CHARACTERS} characters, as in pawl"
        )
    payload = {"state": state, "description": shortened(description), "context": context}
    if url is not None:
        payload["target_url"] = url
    api = GitHubApi(target, patience or Patience(), progress)
    path = f"/repos/{target.repository}/statuses/{commit}"
    while api.write("POST", path, payload, doing=f"set the status of {commit[:10]}") is None:
        pass


def shortened(text: str) -> str:
    """The text on one line, within GitHub's limit, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_DESCRIPTION_CHARACTERS else line[: MAX_DESCRIPTION_CHARACTERS - 1].rstrip() + "…"
