"""Which results a run may take, and where it keeps its own: main's, or pull requests'."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pawl.errors import InputError

MAIN, PULL_REQUESTS = "main", "pull-requests"
PULL_REQUESTS_REMOTE = "pawl-pull-requests"
"""What DVC calls it; whatever a checkout calls so is not looked at."""
SCOPE_VARIABLE = "PAWL_CACHE"
REMOTE_VARIABLE = "PAWL_PULL_REQUESTS_REMOTE"


def scoped_cache(folder: str, env: Mapping[str, str]) -> str:
    """The part of a shared cache that a run may use, by PAWL_CACHE: `main` or `pull-requests`; all of it without.

    A stage of a pull request can write whatever it likes into the cache that it uses, receipts too, so that main's
    results must not come from there. Raises InputError for another word.
    """
    scope = env.get(SCOPE_VARIABLE)
    if not scope or Path(folder).name == scope:
        return folder
    if scope not in (MAIN, PULL_REQUESTS):
        raise InputError(f"{SCOPE_VARIABLE} is {scope[:100]!r}: set it to {MAIN} or {PULL_REQUESTS}, or leave it out.")
    return str(Path(folder, scope))


def add_pull_requests_remote(config: Mapping[str, Any], env: Mapping[str, str]) -> None:
    """Give DVC's settings the remote `pawl-pull-requests`, at the address in PAWL_PULL_REQUESTS_REMOTE, if that is set.

    It is reached with what else is set for the default remote, and it comes from the environment because a branch can
    change what is in the checkout. What pull requests keep there is nothing to main, so a
    run whose results are main's never gets it. Raises InputError where it would be main's own.
    """
    remotes = config["remote"]
    remotes.pop(PULL_REQUESTS_REMOTE, None)
    url = env.get(REMOTE_VARIABLE, "").rstrip("/")
    if not url or env.get(SCOPE_VARIABLE) == MAIN:
        return
    default = remotes.get(config["core"].get("remote") or "", {})
    if url == str(default.get("url", "")).rstrip("/"):
        raise InputError(f"{REMOTE_VARIABLE} is main's own remote, {url}: give pull requests another bucket or prefix.")
    same_service = str(default.get("url", "")).partition("://")[0] == url.partition("://")[0]
    remotes[PULL_REQUESTS_REMOTE] = {**(default if same_service else {}), "url": url}
