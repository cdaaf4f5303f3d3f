"""What `pawl doctor --github` asks: the repository, its rules, its settings for Actions, runners, secrets and files."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.fakes.github_answers import NOT_FOUND, Answer, refused

if TYPE_CHECKING:
    from tests.fakes.github_state import Identity, State


@dataclass
class Runner:
    name: str
    labels: tuple[str, ...] = ("self-hosted", "Linux", "X64", "gpu")
    status: str = "online"


@dataclass
class Settings:
    """One repository as its administrator has set it; the defaults are those that doctor has nothing to say about."""

    default_branch: str = "main"
    private: bool = False
    owner_type: str = "Organization"
    scopes: str | None = None
    """Of a classic token; GitHub sends no such header for any other."""
    required: list[str] = field(default_factory=lambda: ["pawl"])
    """By a ruleset."""
    strict: bool = True
    protected_by: list[str] = field(default_factory=list)
    """Contexts that classic branch protection requires."""
    enforcement_level: str = "everyone"
    approval_policy: str = "all_external_contributors"
    private_forks: dict[str, bool] = field(
        default_factory=lambda: {
            "run_workflows_from_fork_pull_requests": False,
            "send_write_tokens_to_workflows": False,
            "send_secrets_and_variables": False,
            "require_approval_for_fork_pr_workflows": True,
        }
    )
    default_permissions: str = "read"
    can_approve: bool = True
    runners: list[Runner] = field(default_factory=lambda: [Runner("gpu-1")])
    organization_runners: list[Runner] = field(default_factory=list)
    secrets: list[str] = field(default_factory=lambda: ["MLFLOW_TRACKING_TOKEN"])
    files: dict[str, str] = field(default_factory=dict)
    """Path -> text, on the default branch."""


# What a fine-grained token or an installation needs, by the endpoint's last words.
_NEEDS = (
    (r"/actions/permissions/.*", "administration"),
    (r"/actions/runners", "administration"),
    (r"/actions/(organization-)?secrets", "secrets"),
    (r"/(branches|contents)/.*", "contents"),
)


def route_settings(
    state: State, base: str, method: str, path: str, query: dict[str, list[str]], body: Any, identity: Identity
) -> Answer | None:
    """The answer to a question about settings; None for every other request."""
    if found := re.fullmatch(r"/orgs/([^/]+)/actions/runners", path):
        owned = [s for slug, s in state.settings.items() if slug.split("/")[0] == found[1]]
        if "organization_self_hosted_runners" not in identity.permissions:
            return refused(identity)
        return 200, runners(owned[0].organization_runners if owned else []), {}
    found = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", path)
    settings = state.settings.get(found[1]) if found else None
    if found is None or settings is None or method != "GET":
        return None
    rest = unquote(found[2] or "")
    for pattern, area in _NEEDS:
        if re.fullmatch(pattern, rest) and area not in identity.permissions:
            return refused(identity)
    if rest.startswith("/contents/"):
        return contents(settings, rest.removeprefix("/contents/"))
    answers: dict[str, Any] = {
        "": about(found[1], settings, identity),
        f"/rules/branches/{settings.default_branch}": rules(settings),
        f"/branches/{settings.default_branch}": protection(settings),
        "/actions/permissions/workflow": {
            "default_workflow_permissions": settings.default_permissions,
            "can_approve_pull_request_reviews": settings.can_approve,
        },
        "/actions/runners": runners(settings.runners),
        "/actions/secrets": secrets(settings.secrets),
        "/actions/organization-secrets": secrets([]),
    }
    # Each is for one kind of repository alone, and refused with these words for the other.
    only = ("fork-pr-contributor-approval", {"approval_policy": settings.approval_policy}, "private")
    if settings.private:
        only = ("fork-pr-workflows-private-repos", settings.private_forks, "public")
    if rest == f"/actions/permissions/{only[0]}":
        return 200, only[1], {}
    if rest.startswith("/actions/permissions/fork-pr-"):
        return 422, {"message": f"This is not allowed for {only[2]} repositories.", "status": "422"}, {}
    if rest not in answers:
        return None
    headers = {"x-oauth-scopes": settings.scopes} if rest == "" and settings.scopes is not None else {}
    return 200, answers[rest], headers


def about(slug: str, settings: Settings, identity: Identity) -> dict[str, Any]:
    is_admin = "administration" in identity.permissions
    return {
        "full_name": slug,
        "private": settings.private,
        "default_branch": settings.default_branch,
        "owner": {"login": slug.split("/")[0], "type": settings.owner_type},
        "permissions": {"admin": is_admin, "push": identity.may_write("contents"), "pull": True},
    }


def rules(settings: Settings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"type": "pull_request", "ruleset_id": 1, "parameters": {}}]
    if settings.required:
        checks = [{"context": context} for context in settings.required]
        parameters = {"strict_required_status_checks_policy": settings.strict, "required_status_checks": checks}
        found.append({"type": "required_status_checks", "ruleset_id": 1, "parameters": parameters})
    return found


def protection(settings: Settings) -> dict[str, Any]:
    level = settings.enforcement_level if settings.protected_by else "off"
    checks = {"enforcement_level": level, "contexts": settings.protected_by}
    return {
        "name": settings.default_branch,
        "protected": bool(settings.protected_by),
        "protection": {"enabled": bool(settings.protected_by), "required_status_checks": checks},
    }


def runners(listed: list[Runner]) -> dict[str, Any]:
    shown = [
        {"id": n, "name": r.name, "os": "linux", "status": r.status, "labels": [{"name": label} for label in r.labels]}
        for n, r in enumerate(listed, 1)
    ]
    return {"total_count": len(shown), "runners": shown}


def secrets(names: list[str]) -> dict[str, Any]:
    return {"total_count": len(names), "secrets": [{"name": name} for name in names]}


def contents(settings: Settings, path: str) -> Answer:
    """A file with its text in base64, in lines as GitHub breaks them, or a folder's list."""
    if path in settings.files:
        text = base64.encodebytes(settings.files[path].encode()).decode()
        return 200, {"name": path.rsplit("/", 1)[-1], "path": path, "type": "file", "content": text}, {}
    inside = sorted({name.removeprefix(f"{path}/") for name in settings.files if name.startswith(f"{path}/")})
    listed = [{"name": n, "path": f"{path}/{n}", "type": "file"} for n in inside if "/" not in n]
    return (200, listed, {}) if inside else NOT_FOUND
