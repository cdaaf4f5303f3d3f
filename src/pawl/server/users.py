"""The two accounts that the workflows use, and what each may do on the server.

MLflow's workspaces are switched on for one thing: without them everybody who can log in may make experiments and
registered models, and so take a model's name before main does. With them, only who has a grant on the workspace may.
See https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pawl.errors import InputError, ServiceError
from pawl.publish.github_api import one_line
from pawl.server.folder import ADMIN, Folder, new_password
from pawl.tracking.names import experiments

MAIN, PULL_REQUESTS = "main", "pull-requests"
WORKSPACE = "default"
_SECONDS = (5, 60)
Grants = dict[tuple[str, str], str]
"""Kind of thing and its id or `*`: READ, USE, EDIT or MANAGE."""


@dataclass(frozen=True)
class Account:
    """A user of the server."""

    name: str
    is_new: bool
    password_is_new: bool


def make_users(folder: Folder, uri: str, repository: str, *, new_passwords: bool = False) -> list[Account]:
    """The accounts `main` and `pull-requests` on a server, and the experiments of the repository of that name.

    `main` may write the repository's first experiment and the registry; `pull-requests` may write its second,
    `<repository> branches`, and read everything. Doing it again for another repository adds its experiments.
    The folder's passwords let in as admin, and get those of new accounts. Raises InputError where one of the
    experiments was deleted or the admin is not let in, ServiceError where the server does not do its part.
    """
    admin = Admin(uri, folder.passwords().users[ADMIN])
    named = experiments(repository)
    main, branches = admin.experiment(named.main), admin.experiment(named.branches)
    reading: Grants = {("experiment", "*"): "READ", ("registered_model", "*"): "READ"}
    writing: dict[str, Grants] = {
        MAIN: {("workspace", "*"): "USE", ("registered_model", "*"): "MANAGE", ("experiment", main): "EDIT"},
        PULL_REQUESTS: {("experiment", branches): "EDIT"},
    }
    found = []
    for name, grants in writing.items():
        passwords = folder.passwords()
        known = passwords.users
        password = new_password() if new_passwords else known.get(name) or new_password()
        is_new = admin.make_user(name, password)
        if not is_new and new_passwords:
            admin.ask("PATCH", "2.0/mlflow/users/update-password", {"username": name, "password": password})
        if is_new or new_passwords:
            folder.keep(passwords.model_copy(update={"users": {**known, name: password}}))
        admin.grant(name, reading | grants)
        found.append(Account(name, is_new, is_new or new_passwords))
    return found


class Admin:
    """The connection of the one who may do everything on an MLflow server."""

    def __init__(self, uri: str, password: str) -> None:
        self.uri = uri.rstrip("/")
        self._password = password

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made where there is none."""
        found = self.ask(
            "GET", "2.0/mlflow/experiments/get-by-name", {"experiment_name": name}, none_where_missing=True
        )
        if found is None:
            return str(self.ask("POST", "2.0/mlflow/experiments/create", {"name": name})["experiment_id"])
        if found["experiment"]["lifecycle_stage"] != "active":
            raise InputError(f'the experiment "{name}" was deleted: restore it on MLflow\'s page, or empty its bin.')
        return str(found["experiment"]["experiment_id"])

    def make_user(self, name: str, password: str) -> bool:
        """Whether the account is new; one that is there keeps its password."""
        if self.ask("GET", "2.0/mlflow/users/get", {"username": name}, none_where_missing=True) is not None:
            return False
        self.ask("POST", "2.0/mlflow/users/create", {"username": name, "password": password})
        return True

    def grant(self, name: str, grants: Grants) -> None:
        """Put right the role of that name, which the user of that name gets; what else it holds stays."""
        roles = self.ask("GET", "3.0/mlflow/roles/list", {"workspace": WORKSPACE})["roles"]
        role = next((role["id"] for role in roles if role["name"] == name), None)
        if role is None:
            wanted = {"workspace": WORKSPACE, "name": name, "description": f"What workflows do as {name}."}
            role = self.ask("POST", "3.0/mlflow/roles/create", wanted)["role"]["id"]
        listed = self.ask("GET", "3.0/mlflow/roles/permissions/list", {"role_id": role})["role_permissions"]
        held = {(found["resource_type"], found["resource_pattern"]): found for found in listed}
        for (kind, pattern), permission in grants.items():
            found = held.get((kind, pattern))
            if found is None:
                wanted = {"resource_type": kind, "resource_pattern": pattern, "permission": permission}
                self.ask("POST", "3.0/mlflow/roles/permissions/add", {"role_id": role, **wanted})
            elif found["permission"] != permission:
                changed = {"role_permission_id": found["id"], "permission": permission}
                self.ask("PATCH", "3.0/mlflow/roles/permissions/update", changed)
        assigned = self.ask("GET", "3.0/mlflow/users/roles/list", {"username": name})["roles"]
        if role not in (found["id"] for found in assigned):
            self.ask("POST", "3.0/mlflow/roles/assign", {"username": name, "role_id": role})

    def ask(self, verb: str, path: str, values: dict[str, Any], *, none_where_missing: bool = False) -> Any:
        """One request; what comes back, parsed. Raises InputError and ServiceError."""
        import requests

        query = f"?{urlencode(values)}" if verb == "GET" else ""
        try:
            answer = requests.request(
                verb,
                f"{self.uri}/api/{path}{query}",
                json=None if query else values,
                auth=(ADMIN, self._password),
                timeout=_SECONDS,
                allow_redirects=False,  # the password goes nowhere else
            )
            content = answer.json() if answer.content else {}
        except ValueError:
            content = {}
        except requests.exceptions.RequestException as error:
            raise ServiceError(f"MLflow at {self.uri} does not answer ({type(error).__name__}).") from None
        if answer.ok:
            return content
        if answer.status_code == 401:
            raise InputError(f"MLflow at {self.uri} does not let {ADMIN} in with the password of the folder.")
        code = content.get("error_code") if isinstance(content, dict) else None
        if none_where_missing and code == "RESOURCE_DOES_NOT_EXIST":
            return None
        said = one_line(str(content.get("message") if isinstance(content, dict) else ""), self._password)
        raise ServiceError(f"MLflow at {self.uri} refuses {path} ({answer.status_code} {code}: {said[:300]}).")
