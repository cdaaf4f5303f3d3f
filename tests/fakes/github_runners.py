"""Self-hosted runners of the fake GitHub: Apps and their tokens, one-job runners, and the jobs these are given.

A test adds an App (`add_app`) and queues jobs (`queue`). What GitHub's own runner program says to its service is not
documented; the fake has a small protocol of its own under `/runner-service`, spoken by `tests/runner/program/run.sh`.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.github_state import Identity, State

LONGEST_JWT_SECONDS = 600


@dataclass
class App:
    app_id: str
    public_key: str
    installation_id: int
    repositories: list[str]
    permissions: dict[str, str]


@dataclass
class Runner:
    id: int
    name: str
    owner: str
    labels: list[str]
    token: str
    online: bool = False
    job: int | None = None


@dataclass
class Job:
    id: int
    name: str
    owner: str
    script: str
    """What its one step runs, in sh."""
    runner: str | None = None
    conclusion: str | None = None
    cancelled: bool = False


@dataclass
class Runners:
    """Everything about runners that the fake knows."""

    apps: dict[str, App] = field(default_factory=dict)
    runners: dict[int, Runner] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of every runner that was ever made, in order."""
    clock_offset_seconds: float = 0.0
    """How far this GitHub's clock is ahead of the machine's."""
    refused_claims: list[str] = field(default_factory=list)
    granted: list[dict[str, Any]] = field(default_factory=list)
    """What was asked for with each token that was given."""

    def now(self) -> float:
        return time.time() + self.clock_offset_seconds

    def add_app(
        self,
        public_key: str,
        *,
        app_id: str = "12",
        installation_id: int = 34,
        repositories: tuple[str, ...] = ("acme/ct",),
    ) -> App:
        permissions = {"administration": "write", "organization_self_hosted_runners": "write", "metadata": "read"}
        self.apps[app_id] = App(app_id, public_key, installation_id, list(repositories), permissions)
        return self.apps[app_id]

    def queue(self, name: str, script: str = "true", owner: str = "repos/acme/ct") -> Job:
        self.jobs.append(Job(len(self.jobs) + 1, name, owner, script))
        return self.jobs[-1]

    def app_of(self, token: str) -> Identity | None:
        """Whom a JWT belongs to, if it is one that GitHub would take."""
        import jwt

        from tests.fakes.github_state import Identity

        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
            app = self.apps[issuer]
            claims = jwt.decode(
                token, app.public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
            )
        except (jwt.PyJWTError, KeyError):
            return None
        now = self.now()
        if claims["iat"] > now or claims["exp"] <= now or claims["exp"] > now + LONGEST_JWT_SECONDS:
            self.refused_claims.append(f"iat {claims['iat'] - now:+.0f}, exp {claims['exp'] - now:+.0f}")
            return None
        return Identity(login=f"app/{issuer}", permissions={})


def route_runners(
    state: State, base: str, method: str, path: str, query: dict[str, list[str]], body: Any, identity: Identity
) -> Any:
    """The answer to a request about Apps and runners; None for any other."""
    if found := re.fullmatch(r"/app/installations/(\d+)/access_tokens", path):
        return access_token(state, int(found[1]), body, identity)
    if found := re.fullmatch(r"/((repos/[^/]+/[^/]+)|(orgs/[^/]+))/actions/runners(/generate-jitconfig|/\d+)", path):
        return runners_of(state, base, method, found[1], found[4], body, identity)
    if found := re.fullmatch(r"/runner-service/(\d+)/(next|done|cancelled)", path):
        return service(state.runners, int(found[1]), found[2], body, identity)
    return None


def error(status: int, message: str) -> Any:
    return status, {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}, {}


def access_token(state: State, installation_id: int, body: Any, identity: Identity) -> Any:
    from tests.fakes.github_state import Identity

    app = state.runners.apps.get(identity.login.removeprefix("app/"))
    if app is None:
        return error(401, "A JSON web token could not be decoded")
    if app.installation_id != installation_id:
        return error(404, "Not Found")
    asked = body.get("permissions", app.permissions)
    names = [repository.partition("/")[2] for repository in app.repositories]
    wanted = body.get("repositories", names)
    if any(app.permissions.get(area) != level for area, level in asked.items()):
        return error(422, "The permissions requested are not granted to this installation.")
    if not set(wanted) <= set(names):
        return error(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    token = f"ghs_{len(state.runners.granted)}{'x' * 30}"
    state.runners.granted.append(body)
    state.tokens[token] = Identity(login=f"app/{app.app_id}/{','.join(wanted)}", permissions=dict(asked))
    ends = datetime.datetime.fromtimestamp(state.runners.now() + 3600, datetime.UTC)
    return 201, {"token": token, "expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "permissions": asked}, {}


def runners_of(state: State, base: str, method: str, owner: str, rest: str, body: Any, identity: Identity) -> Any:
    known = state.runners
    needed = "administration" if owner.startswith("repos/") else "organization_self_hosted_runners"
    if not identity.may_write(needed):
        return error(403, "Resource not accessible by integration")
    if (method, rest) == ("POST", "/generate-jitconfig"):
        if missing := {"name", "runner_group_id", "labels"} - set(body):
            return error(422, f"Invalid request. {', '.join(sorted(missing))} weren't supplied.")
        if any(runner.name == body["name"] for runner in known.runners.values()):
            return error(409, f"Already exists - A runner with the name {body['name']} already exists.")
        number = state.next_id
        state.next_id += 1
        runner = Runner(number, body["name"], owner, body["labels"], f"runner-{number}-{'y' * 20}")
        known.runners[number] = runner
        known.names.append(runner.name)
        state.add_token(runner.token, login=f"runner/{number}", permissions={})
        settings = {"url": f"{base}/runner-service/{number}", "token": runner.token, "work": body["work_folder"]}
        config = base64.b64encode(json.dumps(settings).encode()).decode()
        return 201, {"runner": as_runner(runner), "encoded_jit_config": config}, {}
    one = known.runners.get(int(rest[1:])) if rest[1:].isdigit() else None
    if one is None or one.owner != owner:
        return error(404, "Not Found")
    if method == "DELETE":
        if one.job is not None:
            return error(422, f'Runner "{one.name}" is currently running a job and cannot be deleted.')
        del known.runners[one.id]
        return 204, None, {}
    return 200, as_runner(one), {}


def as_runner(runner: Runner) -> dict[str, Any]:
    status = "online" if runner.online else "offline"
    labels = [{"name": label, "type": "custom"} for label in runner.labels]
    return {
        "id": runner.id,
        "name": runner.name,
        "os": "linux",
        "status": status,
        "busy": runner.job is not None,
        "labels": labels,
    }


def service(known: Runners, number: int, verb: str, body: Any, identity: Identity) -> Any:
    """What the runner program asks: a job, whether it is cancelled, and to say how it ended."""
    runner = known.runners.get(number)
    if runner is None or identity.login != f"runner/{number}":
        return error(404, "The runner registration has been deleted from the server")
    runner.online = True
    if verb == "next":
        waiting = (job for job in known.jobs if job.runner is None and job.owner == runner.owner)
        job = next(waiting, None) if runner.job is None else None
        if job is None:
            return 200, {}, {}
        runner.job, job.runner = job.id, runner.name
        return 200, {"name": job.name, "script": job.script}, {}
    job = next(job for job in known.jobs if job.id == runner.job)
    if verb == "cancelled":
        return 200, {"cancelled": job.cancelled}, {}
    job.conclusion = body["conclusion"]
    del known.runners[number]  # a one-job runner goes with its job
    return 200, {}, {}
