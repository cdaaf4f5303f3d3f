"""An answer to a command in a comment: a run is started for who may, a reaction says so, and nobody else gets any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pawl.actions.chat import MAY_COMMAND, inputs_for, is_command, parse
from pawl.actions.events import inside
from pawl.errors import InputError
from pawl.publish.github_api import GitHubApi

WORKFLOW = "continuous-training.yml"


def answer(api: GitHubApi, event: Mapping[str, Any], say: Callable[[str], None]) -> str:
    """Carry out the command in an issue_comment event, if its author may: what was done, in a word.

    "ignored": it is no command, or not for us. "refused": who wrote it may not, and gets no sign. "confused": it is a
    command that cannot be carried out; the reason is in the log. "started": a run was dispatched.
    """
    comment, issue = event.get("comment"), event.get("issue")
    if event.get("action") != "created" or not isinstance(comment, Mapping) or not isinstance(issue, Mapping):
        return "ignored"
    body, author = comment.get("body"), inside(comment, "user", "login")
    if not is_command(body) or not isinstance(issue.get("pull_request"), Mapping) or author is None:
        return "ignored"
    if inside(comment, "user", "type") != "User" or not _may_command(api, author):
        say(f"a comment by {author[:40]!a} is left alone: only people with write access start runs")
        return "refused"
    repository = api.target.repository
    try:
        command = parse(str(body))
        pull = api.read(f"/repos/{repository}/pulls/{int(issue['number'])}")[0]
        if pull.get("state") != "open":
            raise InputError("the pull request is not open.")
        inputs = inputs_for(command, pull, repository)
    except InputError as error:
        say(f"not carried out: {error}")
        _react(api, comment, "confused")
        return "confused"
    _dispatch(api, str(inside(event, "repository", "default_branch")), inputs)
    say(f"started {command.word} of {inputs['commit'][:10]}")
    _react(api, comment, "rocket")
    return "started"


def _may_command(api: GitHubApi, login: str) -> bool:
    """By what GitHub says now; the word that the event has for the author counts members who may only read."""
    from urllib.parse import quote

    found = api.try_read(f"/repos/{api.target.repository}/collaborators/{quote(login, safe='')}/permission")
    return isinstance(found, Mapping) and (
        found.get("permission") in MAY_COMMAND or found.get("role_name") in MAY_COMMAND
    )


def _dispatch(api: GitHubApi, branch: str, inputs: Mapping[str, str]) -> None:
    """Start the workflow on the default branch. Where GitHub's answer is lost, not a second time: a run is dear."""
    from pawl.errors import ServiceError

    path = f"/repos/{api.target.repository}/actions/workflows/{WORKFLOW}/dispatches"
    payload = {"ref": branch, "inputs": dict(inputs)}
    if api.write("POST", path, payload, doing="start the workflow") is None:
        raise ServiceError("GitHub did not say whether the run was started: look under Actions before asking again")


def _react(api: GitHubApi, comment: Mapping[str, Any], content: str) -> None:
    """A reaction is the same however often it is given."""
    path = f"/repos/{api.target.repository}/issues/comments/{int(comment['id'])}/reactions"
    while api.write("POST", path, {"content": content}, doing=f"react to the comment {comment['id']}") is None:
        pass
