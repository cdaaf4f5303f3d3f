"""What a machine is told when it is to make one stage's result, and what it answers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pawl.pipeline.project import Project
from pawl.pipeline.remote import Remote
from pawl.pipeline.scopes import REMOTE_VARIABLE, SCOPE_VARIABLE
from pawl.schema import Digest, Strict, Text, Usage

# Of a remote's settings, those that say where it is. What opens it stays here: each machine has its own credentials.
_PLACES = ("url", "user", "port", "endpointurl", "region", "projectname", "account_name", "use_ssl", "ssl_verify")
_PASSED_ON = (SCOPE_VARIABLE, REMOTE_VARIABLE)


class Order(Strict):
    """Make the result of one stage of a commit, and send it to the remote."""

    commit: Text
    inner: Text
    """The DVC root below the top of the repository."""
    stage: Text
    stage_key: Digest
    """What the result must be filed under, or the machine has not understood."""
    force: bool
    """Whether to run the stage even where the remote has its result."""
    allowed: tuple[Text, ...]
    """Variables that look like secrets and that stages are given all the same."""
    remotes: dict[Text, dict[Text, Text | bool | int]]
    default_remote: Text | None
    environment: dict[Text, Text]
    """Which results may be taken, and where pull requests keep theirs."""
    cpus: int
    version: Text
    """Of pawl."""


class Made(Strict):
    """How it ended."""

    receipt: Digest | None = None
    """Which of the results under the key it is; None where there is none, and `problem` says why."""
    ran: bool = False
    """Whether the command ran: it does not where the remote had the result by then."""
    problem: Text = ""
    """What went wrong with the stage: its command, or what it wrote."""
    trouble: Text = ""
    """What went wrong with the machine, such as a full disk: another one may do better."""
    refused: Text = ""
    """Why no machine could do it, such as data that no remote has."""
    started_at: Text = ""
    exit_code: int = 0
    usage: Usage | None = None
    environment_digest: Digest | None = None
    """Of the machine: see `Machine`."""


class Answer(Strict):
    """Line by line, what the process on that machine writes on its standard output."""

    lines: Annotated[tuple[str, ...], Field(max_length=100_000)] = ()
    """What the stage printed."""
    made: Made | None = None
    """The last answer."""


def exchange(project: Project) -> Remote:
    """The remote by which machines hand results over: pull requests' own where there is one, else the default one."""
    own = Remote(project, pull_requests_only=True)
    return own if own.names else Remote(project)


def passed_on(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that decide which results count, as they are set here."""
    return {name: environ[name] for name in _PASSED_ON if environ.get(name)}


def remotes_of(project: Project) -> tuple[dict[str, dict[str, str | bool | int]], str | None]:
    """Where the project's remotes are, by name, and which is the default one."""
    from pawl.pipeline.scopes import PULL_REQUESTS_REMOTE

    def plain(value: Any) -> str | bool | int:
        # What is relative to a configuration file means another place elsewhere; DVC's class for it has no other use.
        return (
            str(Path(value).absolute())
            if type(value).__name__ == "RelPath"
            else value
            if isinstance(value, int)
            else str(value)
        )

    config = project.repo.config
    remotes = {
        str(name): {key: plain(settings[key]) for key in _PLACES if settings.get(key) is not None}
        for name, settings in config["remote"].items()
        if name != PULL_REQUESTS_REMOTE  # made anew there, from the environment
    }
    default = config["core"].get("remote")
    return remotes, str(default) if default else None
