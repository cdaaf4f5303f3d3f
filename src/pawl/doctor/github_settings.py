"""What each setting on GitHub means for the gate, the runner and the secrets."""

from __future__ import annotations

import base64
import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pawl.doctor.diagnosis import Line, error, not_checked, ok, some, warning
from pawl.doctor.workflows import FOLDER, wanted_labels, workflow_lines
from pawl.errors import InputError

Read = Callable[[str], Any]
"""A path of the API -> its JSON. Raises InputError where GitHub refuses."""
STATUS = "pawl"
_MOST_FILES = 30
_CLOUD_KEY = re.compile(
    r"GOOGLE|GCP|GCLOUD|GCS|FIREBASE|SERVICE_ACCOUNT|SA_KEY|AWS_(ACCESS|SECRET)|AZURE_(CREDENTIALS|CLIENT_SECRET)"
    r"|STORAGE_(ACCOUNT_)?KEY"
)
# Names of places and identities, which open nothing.
_HARMLESS = re.compile(r"WORKLOAD_IDENTITY|PROJECT|BUCKET|REGION|ZONE|LOCATION|EMAIL$|PROVIDER|READER$|WRITER$")
_PERSONAL_TOKEN = re.compile(r"(^|_)(PAT|GH_TOKEN|REPO_TOKEN|PERSONAL_(ACCESS_)?TOKEN)($|_)")


@dataclass(frozen=True)
class Repository:
    """What every question needs to know of the repository."""

    slug: str
    """`owner/name`."""
    default_branch: str
    is_private: bool
    organization: str | None
    """None: it belongs to a person."""


def rule_lines(read: Read, about: Repository) -> list[Line]:
    """Whether the default branch takes nothing without the status `pawl`, by a ruleset or by branch protection."""
    branch = quote(about.default_branch, safe="")
    rules = _list(_or_none(read, f"/repos/{about.slug}/rules/branches/{branch}?per_page=100"))
    protection = _dict(_or_none(read, f"/repos/{about.slug}/branches/{branch}")).get("protection")
    if rules is None and protection is None:
        return [not_checked("github", "required status", f"the rules of {about.default_branch} cannot be read")]
    needed = [
        _dict(rule.get("parameters")) for rule in rules or [] if _dict(rule).get("type") == "required_status_checks"
    ]
    by_rules = {
        str(check.get("context"))
        for rule in needed
        for check in _list(rule.get("required_status_checks")) or []
        if isinstance(check, dict)
    }
    classic = _dict(_dict(protection).get("required_status_checks"))
    enforced = classic.get("enforcement_level")
    by_protection = {str(name) for name in _list(classic.get("contexts")) or []} if enforced != "off" else set()
    where = f"on {about.default_branch}"
    if STATUS not in by_rules | by_protection:
        others = ", ".join(sorted(by_rules | by_protection)) or "none"
        remedy = (
            f"Require the status check `{STATUS}` under Settings > Rules > Rulesets, or a regression can be merged."
        )
        return [error("github", "required status", f"`{STATUS}` is not required {where} (required: {others})", remedy)]
    if STATUS not in by_rules and enforced == "non_admins":
        remedy = 'Tick "Do not allow bypassing the above settings", or use a ruleset.'
        return [
            warning("github", "required status", f"`{STATUS}` is required {where}, but not of administrators", remedy)
        ]
    if STATUS in by_rules and not any(rule.get("strict_required_status_checks_policy") is True for rule in needed):
        remedy = 'Tick "Require branches to be up to date before merging": what is measured is then what is merged.'
        return [
            warning("github", "required status", f"`{STATUS}` is required {where}, of branches however old", remedy)
        ]
    return [ok("github", "required status", f"`{STATUS}` is required {where}")]


def fork_lines(read: Read, about: Repository) -> list[Line]:
    """Whether a stranger's pull request waits for a person before any workflow runs."""
    path = f"/repos/{about.slug}/actions/permissions"
    if about.is_private:
        found = _dict(read(f"{path}/fork-pr-workflows-private-repos"))
        if found.get("run_workflows_from_fork_pull_requests") is False:
            return [ok("github", "fork approval", "pull requests of forks start no workflow")]
        given = [
            what
            for key, what in (
                ("send_write_tokens_to_workflows", "write tokens"),
                ("send_secrets_and_variables", "secrets"),
            )
            if found.get(key) is not False
        ]
        if given:
            remedy = "Switch it off under Settings > Actions > General > Fork pull request workflows."
            return [error("github", "fork approval", f"workflows of forks are given {' and '.join(given)}", remedy)]
        if found.get("require_approval_for_fork_pr_workflows") is not True:
            remedy = "Tick the approval under Settings > Actions > General > Fork pull request workflows."
            return [warning("github", "fork approval", "pull requests of forks run without approval", remedy)]
        return [ok("github", "fork approval", "pull requests of forks wait for approval")]
    policy = _dict(read(f"{path}/fork-pr-contributor-approval")).get("approval_policy")
    if policy == "all_external_contributors":
        return [ok("github", "fork approval", "of all external contributors, every time")]
    words = {
        "first_time_contributors": "only until a contributor's first merge",
        "first_time_contributors_new_to_github": "only for accounts that are new to GitHub",
    }
    remedy = 'Choose "Require approval for all external contributors" under Settings > Actions > General.'
    return [error("github", "fork approval", words.get(str(policy), f"unknown policy {policy}"), remedy)]


def permission_lines(read: Read, about: Repository, lock: str) -> list[Line]:
    """Whether a workflow that names no permissions can only read; `lock` is `promote.lock` of pawl.yaml."""
    found = _dict(read(f"/repos/{about.slug}/actions/permissions/workflow"))
    place = "under Settings > Actions > General > Workflow permissions"
    box = '"Allow GitHub Actions to create and approve pull requests"'
    if found.get("default_workflow_permissions") != "read":
        remedy = f'Choose "Read repository contents" {place}.'
        return [error("github", "workflow permissions", "by default a workflow may write", remedy)]
    may = found.get("can_approve_pull_request_reviews") is not False
    if may and lock != "pull-request":
        found_here = "read-only, but workflows may approve pull requests"
        return [warning("github", "workflow permissions", found_here, f"Untick {box} {place}.")]
    if not may and lock == "pull-request":
        found_here = "read-only, and workflows may not propose dvc.lock as a pull request"
        remedy = f"Tick {box} {place}, or choose another `promote.lock` in pawl.yaml."
        return [warning("github", "workflow permissions", found_here, remedy)]
    return [ok("github", "workflow permissions", "read-only by default")]


def runner_lines(read: Read, about: Repository, workflows: dict[str, str]) -> list[Line]:
    """Whether a runner with the labels that each job asks for is online."""
    wanted = wanted_labels(workflows)
    if not wanted:
        return [ok("github", "runners", "no job asks for a runner of your own")]
    runners = _runners(read(f"/repos/{about.slug}/actions/runners?per_page=100"))
    shared: list[dict[str, Any]] | None = []
    if about.organization:
        answer = _or_none(read, f"/orgs/{about.organization}/actions/runners?per_page=100")
        shared = _runners(answer) if answer is not None else None
    lines = []
    for labels in wanted:
        name = f"runners: {', '.join(sorted(labels))}"
        fitting = [runner for runner in [*runners, *(shared or [])] if labels <= _labels(runner)]
        online = [str(runner.get("name")) for runner in fitting if runner.get("status") == "online"]
        if online:
            lines.append(ok("github", name, f"{some(online)} online"))
        elif shared is None:
            why = "the repository has none online, and those of the organization cannot be seen"
            lines.append(not_checked("github", name, why, "Ask with a token that can read the organization's runners."))
        else:
            found = f"{some([str(r.get('name')) for r in fitting])} offline" if fitting else "none has these labels"
            remedy = "Start the runner, or give it the labels; jobs wait for it up to 24 hours."
            lines.append(error("github", name, found, remedy))
    return lines


def secret_lines(read: Read, about: Repository) -> list[Line]:
    """Whether a secret is a key that never expires, by its name; nobody can read its value."""
    names = _names(read(f"/repos/{about.slug}/actions/secrets?per_page=100"))
    names += _names(_or_none(read, f"/repos/{about.slug}/actions/organization-secrets?per_page=100"))
    keys = [name for name in names if _CLOUD_KEY.search(name.upper()) and not _HARMLESS.search(name.upper())]
    tokens = [name for name in names if _PERSONAL_TOKEN.search(name.upper()) and name not in keys]
    lines = []
    if keys:
        remedy = "Use workload identity federation and delete them: a key in a workflow can be carried away."
        lines.append(warning("github", "secrets", f"{some(keys)}: cloud keys, by the name", remedy))
    if tokens:
        remedy = "Delete them: `github.token` is enough for all that pawl does, and ends with its job."
        lines.append(warning("github", "secrets", f"{some(tokens)}: a person's token, by the name", remedy))
    return lines or [ok("github", "secrets", f"{some(names) or 'none'}: no cloud key by the name")]


def committed_lines(read: Read, about: Repository) -> list[Line]:
    """What the default branch has, which may not be what is checked out here: workflows and .gitattributes."""
    where = f"on {about.default_branch}"
    ref = f"?ref={quote(about.default_branch, safe='')}"
    listed = _list(_or_none(read, f"/repos/{about.slug}/contents/{FOLDER}{ref}")) or []
    named = [str(item.get("name")) for item in listed if isinstance(item, dict) and item.get("type") == "file"]
    texts = {}
    for name in [name for name in named if name.endswith((".yml", ".yaml"))][:_MOST_FILES]:
        texts[name] = _text(read(f"/repos/{about.slug}/contents/{FOLDER}/{quote(name)}{ref}"))
    lines = workflow_lines(texts, "github", where)
    attributes = _text(_or_none(read, f"/repos/{about.slug}/contents/.gitattributes{ref}"))
    if keeps_lock(attributes):
        return [*lines, ok("github", "dvc.lock", f"is never merged by git {where}")]
    remedy = f"Commit the line `dvc.lock -merge` in .gitattributes {where}."
    return [*lines, error("github", "dvc.lock", f"git may merge it {where} into a lock that no run ever wrote", remedy)]


def keeps_lock(attributes: str) -> bool:
    """Whether the text of a .gitattributes file has git leave dvc.lock alone; the last line that matches counts.

    >>> keeps_lock("*.lock merge=union\\ndvc.lock -merge"), keeps_lock("dvc.lock -merge\\n* merge")
    (True, False)
    """
    kept = False
    for line in attributes.splitlines():
        pattern, *words = line.split() or [""]
        if pattern.startswith("#") or not fnmatch.fnmatchcase(
            "dvc.lock", pattern.removeprefix("/").removeprefix("**/")
        ):
            continue
        for word in words:
            if word.lstrip("-!").partition("=")[0] in ("merge", "binary"):
                kept = word in ("-merge", "binary")
    return kept


def _or_none(read: Read, path: str) -> Any:
    try:
        return read(path)
    except InputError:
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _runners(answer: Any) -> list[dict[str, Any]]:
    return [runner for runner in _list(_dict(answer).get("runners")) or [] if isinstance(runner, dict)]


def _labels(runner: dict[str, Any]) -> set[str]:
    return {str(_dict(label).get("name")).lower() for label in _list(runner.get("labels")) or []}


def _names(answer: Any) -> list[str]:
    return [str(_dict(secret).get("name")) for secret in _list(_dict(answer).get("secrets")) or []]


def _text(answer: Any) -> str:
    """The text of a file as the API hands it out; "" where it is none."""
    try:
        return base64.b64decode(str(_dict(answer).get("content", ""))).decode("utf-8")
    except ValueError:
        return ""
