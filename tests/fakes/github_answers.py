"""GitHub's shapes of an answer that all parts of the fake share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.github_state import Identity

Answer = tuple[int, Any, dict[str, str]]
"""Status, content, headers."""
DOCS = "https://docs.github.com/rest"


def error(message: str, **more: Any) -> dict[str, Any]:
    """GitHub's shape of an error."""
    return {"message": message, "documentation_url": DOCS} | more


def invalid(resource: str, field: str, message: str, code: str = "unprocessable") -> Answer:
    """A 422 with one fault in one field."""
    fault = {"resource": resource, "code": code, "field": field, "message": message}
    return 422, error("Validation Failed", errors=[fault], status="422"), {}


def refused(identity: Identity) -> Answer:
    """A 403 for a permission that the token has not."""
    kind = "integration" if identity.kind == "App" else "personal access token"
    return 403, error(f"Resource not accessible by {kind}", status="403"), {}


NOT_FOUND: Answer = (404, error("Not Found", status="404"), {})


def user(login: str, kind: str) -> dict[str, Any]:
    return {"login": login, "id": sum(login.encode()), "type": "Bot" if kind == "App" else kind}
