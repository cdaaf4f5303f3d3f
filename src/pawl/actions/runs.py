"""One run of the workflow: its event, what the event may do, and what somebody wished; every job finds out by itself.

Nothing of it is handed from job to job, since the job before may have run a stranger's code.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pawl.actions.events import Decision, decide, dispatched, inside, read_event
from pawl.actions.wishes import DATA_REVISION_KEYS, Wishes, wishes_of
from pawl.errors import InputError

# Any name that git allows, less those that begin as an option or a refspec would.
_BRANCH = re.compile(r"[^\s\x00-\x20~^:?*\[\\+-][^\s\x00-\x20~^:?*\[\\]{0,254}")


@dataclass(frozen=True)
class Run:
    """What this run of the workflow is about."""

    event: Mapping[str, Any]
    decision: Decision
    wishes: Wishes
    base_branch: str | None
    """The branch that is merged into, by GitHub's word: settings in the code cannot choose another."""

    @property
    def commit(self) -> str | None:
        """The commit to check out; None: the one that the event stands for."""
        return self.wishes.commit

    @property
    def decides_gate(self) -> bool:
        """Whether its verdict is one about the commit as it is, which a branch rule may rest on."""
        return self.decision.may_write and not self.wishes.changes_what_is_measured

    @property
    def about(self) -> str | None:
        """The commit that statuses are set on: of a pull request its head, and not GitHub's merge of it."""
        pull = self.event.get("pull_request")
        return self.commit or (str(pull["head"]["sha"]) if isinstance(pull, Mapping) else None)


def current_run(env: Mapping[str, str], ask: Callable[[str], Any] | None) -> Run:
    """The run that this job belongs to, by the environment that GitHub gives it.

    `ask` gets a path of the API, and is used where a dispatch names a pull request only. Without it the run is taken
    for a stranger's: that is for steps which must not hold a token, after one that has asked. Raises InputError where
    the event or an input cannot be meant, or what is to be trained is not what was read.
    """
    event = read_event(env.get("GITHUB_EVENT_PATH"))
    name = env.get("GITHUB_EVENT_NAME", "")
    decision = decide(name, event)
    wishes = wishes_of(event.get("inputs") or {}) if name == "workflow_dispatch" else Wishes()
    base_branch = inside(event, "pull_request", "base", "ref") or inside(event, "repository", "default_branch")
    if wishes.pull_request is not None and ask is None:
        decision = replace(decision, is_trusted=False)
    elif wishes.pull_request is not None and ask is not None:
        repository = env.get("GITHUB_REPOSITORY", "")
        pull = ask(f"/repos/{repository}/pulls/{wishes.pull_request}")
        decision = dispatched(decision, pull if isinstance(pull, Mapping) else {}, repository, wishes.commit or "")
        base_branch = inside(pull, "base", "ref")
    if base_branch is not None and not _BRANCH.fullmatch(base_branch):
        raise InputError(f"the base branch {base_branch[:100]!r} has a name that git could take for something else.")
    return Run(event, decision, wishes, base_branch)


def base_options(run: Run, is_commit_here: Callable[[str], bool]) -> list[str]:
    """What `pawl plan` is told of the base.

    A pull request is measured against its branch and not the event's commit of it: HEAD is a merge with the branch as
    it is by now. A push to a new branch, or one whose past was rewritten, has no before: all of it is made sure of.
    """
    if run.decision.kind == "push":
        before = str(run.event.get("before") or "")
        if re.fullmatch(r"[0-9a-f]{40,64}", before) and before.strip("0") and is_commit_here(before):
            return [f"--base={before}"]
        return ["--base=HEAD", "--all"]
    if run.decision.kind == "schedule":
        return ["--base=HEAD"]
    base = run.wishes.base or run.base_branch
    return [f"--base={base}"] if base else []


def newest_data_revision(tags: list[str], parameters: Mapping[str, Any]) -> str | None:
    """The first of `tags`, newest first, where a parameter still names another of them; None where none does.

    >>> newest_data_revision(["dv3", "dv2"], {"a": {"rev": "dv2"}}), newest_data_revision(["dv3"], {"a": {"rev": "x"}})
    ('dv3', None)
    """
    values = {value for value in _revisions(parameters) if value in tags}
    return tags[0] if values - set(tags[:1]) else None


def _revisions(value: Any, key: str = "") -> list[str]:
    if isinstance(value, Mapping):
        return [found for name, inner in value.items() for found in _revisions(inner, str(name))]
    return [value] if isinstance(value, str) and key in DATA_REVISION_KEYS else []


def write_outputs(env: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Hand values on to the job's later steps; each is one line. Raises InputError outside of a job."""
    path = env.get("GITHUB_OUTPUT")
    if not path:
        raise InputError("GITHUB_OUTPUT is not set: this command is for a job of GitHub Actions.")
    lines = "".join(f"{name}={' '.join(value.split())}\n" for name, value in values.items())
    with Path(path).open("a", encoding="utf-8") as sink:
        sink.write(lines)


def unsay(env: Mapping[str, str]) -> None:
    """Make empty again what this step would tell later ones, who are told secrets: its stages may have written there.

    Their names are not in a stage's environment, but in that of this process, which a stage can read.
    """
    for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
        path = Path(env[name]) if env.get(name) else None
        if path is not None:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            path.touch()
