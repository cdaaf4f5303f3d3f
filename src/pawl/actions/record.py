"""Main's dvc.lock, as its run left it, brought into the repository; by GitHub's API, so that no checkout can push."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pawl.errors import InputError, ServiceError
from pawl.publish.github_api import GitHubApi

MAX_BYTES = 900_000
"""GitHub's contents API takes and gives files of up to a megabyte."""
BRANCH = "pawl/dvc-lock"
MAX_LOOKS = 6
MESSAGE = "Record the results of main in dvc.lock"
_BODY = (
    "`dvc.lock` as the run on the default branch left it: its results are in the DVC remote under these hashes. "
    "Merging it changes no result."
)


def record_lock(
    api: GitHubApi,
    lock: Path,
    mode: Literal["push", "pull-request", "off"],
    branch: str,
    commit: str,
    say: Callable[[str], None],
) -> str:
    """Make dvc.lock of `branch` that of `lock`, made from `commit`: what was done, in a word.

    "off", "same", "overtaken" (the branch has moved on, and its own run will record), "pushed" or "proposed".
    Raises InputError where the file is no dvc.lock or GitHub refuses, ServiceError where it does not answer.
    """
    if mode == "off":
        say("dvc.lock is not recorded: promote.lock is off")
        return "off"
    content = _checked(lock)
    tip = _commit_of(api, branch)
    if tip is None or tip != commit:
        say(f"dvc.lock is not recorded: {branch} is not at {commit[:10]} any more")
        return "overtaken"
    there = _file(api, branch)
    if there is not None and there[0] == content:
        say("dvc.lock is recorded already")
        return "same"
    if mode == "push":
        _put(api, branch, content)
        say(f"dvc.lock is recorded on {branch}")
        return "pushed"
    _propose(api, branch, tip, content)
    say(f"dvc.lock is proposed on {BRANCH}")
    return "proposed"


def _checked(path: Path) -> bytes:
    """The file, if it is what DVC writes. It comes from another job."""
    import yaml

    try:
        if path.is_symlink() or path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is a link, or larger than {MAX_BYTES:,} bytes.")
        content = path.read_bytes()
        parsed = yaml.safe_load(content)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} is no dvc.lock: {error}.") from None
    if not isinstance(parsed, Mapping) or not {"schema", "stages"} <= set(parsed) <= {"schema", "stages", "datasets"}:
        raise InputError(f"{path} is no dvc.lock: it has other keys than schema, stages and datasets.")
    return content


def _file(api: GitHubApi, branch: str) -> tuple[bytes, str] | None:
    """The file's content on a branch, and the id that GitHub wants to hear when it is replaced; None where none is."""
    found = api.try_read(f"/repos/{api.target.repository}/contents/dvc.lock?ref={branch}")
    return (base64.b64decode(str(found["content"])), str(found["sha"])) if isinstance(found, dict) else None


def _put(api: GitHubApi, branch: str, content: bytes) -> None:
    """Commit the file on a branch. GitHub refuses where another version came in between; a lost answer is looked up."""
    for _ in range(MAX_LOOKS):
        there = _file(api, branch)
        if there is not None and there[0] == content:
            return
        payload: dict[str, Any] = {"message": MESSAGE, "branch": branch, "content": base64.b64encode(content).decode()}
        payload |= {"sha": there[1]} if there else {}
        path = f"/repos/{api.target.repository}/contents/dvc.lock"
        if api.write("PUT", path, payload, doing=f"commit dvc.lock on {branch}") is not None:
            return
    raise ServiceError("GitHub did not take dvc.lock: run the job again")


def _propose(api: GitHubApi, branch: str, tip: str, content: bytes) -> None:
    """One branch and one pull request, renewed; its head gets the status that a branch rule asks for."""
    from pawl.publish.status import set_status

    _renew(api, tip)
    _put(api, BRANCH, content)
    repository = f"/repos/{api.target.repository}"
    owner = api.target.repository.split("/")[0]
    for _ in range(MAX_LOOKS):
        if api.read(f"{repository}/pulls?state=open&head={owner}:{BRANCH}")[0]:
            break
        payload = {"title": MESSAGE, "head": BRANCH, "base": branch, "body": _BODY}
        api.write("POST", f"{repository}/pulls", payload, doing="open the pull request for dvc.lock")
    # A push by GITHUB_TOKEN starts no workflow, so nothing else would ever set it.
    word = "dvc.lock as main's own run left it"
    set_status(api.target, _commit_of(api, BRANCH) or tip, "success", word, "pawl", patience=api.patience)


def _renew(api: GitHubApi, tip: str) -> None:
    """Put our branch at `tip`, whatever an earlier run left there."""
    repository = f"/repos/{api.target.repository}"
    for _ in range(MAX_LOOKS):
        at = _commit_of(api, BRANCH)
        if at == tip:
            return
        if at is None:
            payload: dict[str, Any] = {"ref": f"refs/heads/{BRANCH}", "sha": tip}
            api.write("POST", f"{repository}/git/refs", payload, doing=f"make the branch {BRANCH}")
        else:
            path = f"{repository}/git/refs/heads/{BRANCH}"
            api.write("PATCH", path, {"sha": tip, "force": True}, doing=f"renew the branch {BRANCH}")
    raise ServiceError(f"the branch {BRANCH} could not be renewed: run the job again")


def _commit_of(api: GitHubApi, branch: str) -> str | None:
    found = api.try_read(f"/repos/{api.target.repository}/git/ref/heads/{branch}")
    return str(found["object"]["sha"]) if isinstance(found, dict) else None
