"""A server on which main has worked, and requests to it as this account or that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.server.stack import Credentials, Stack, open_stack

ARTIFACT = b"weights of main"


@dataclass(frozen=True)
class World:
    """A server on which main has worked."""

    stack: Stack
    main: str
    """Id of main's experiment."""
    branches: str
    run: str
    """One of main's."""
    path: str
    """Of its artifact, as the server has it."""


@contextmanager
def open_world() -> Iterator[World]:
    """A server with a run, an artifact and a champion of main's."""
    with open_stack() as stack:
        ids = [
            ask(stack, stack.main, "GET", "2.0/mlflow/experiments/get-by-name", {"experiment_name": name}).json()
            for name in ("acme/ct", "acme/ct branches")
        ]
        main, branches = (found["experiment"]["experiment_id"] for found in ids)
        run = new_run(stack, stack.main, main)
        path = run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/model.bin"
        assert put_artifact(stack, stack.main, path, ARTIFACT) == 200
        for verb, call, values in (
            ("POST", "registered-models/create", {"name": "ct-digits"}),
            (
                "POST",
                "model-versions/create",
                {"name": "ct-digits", "source": run["artifact_uri"], "run_id": run["run_id"]},
            ),
            ("POST", "registered-models/alias", {"name": "ct-digits", "alias": "champion", "version": "1"}),
            ("POST", "model-versions/set-tag", {"name": "ct-digits", "version": "1", "key": "a", "value": "b"}),
        ):
            assert ask(stack, stack.main, verb, f"2.0/mlflow/{call}", values).status_code == 200, call
        yield World(stack, main, branches, run["run_id"], path)


def ask(stack: Stack, who: Credentials | None, verb: str, path: str, values: dict[str, Any]) -> requests.Response:
    """One request to MLflow's API as that account; None: as nobody."""
    where = {"params": values} if verb == "GET" else {"json": values}
    auth = who.pair if who else None
    return requests.request(verb, f"{stack.uri}/api/{path}", auth=auth, timeout=60, **where)  # type: ignore[arg-type]


def new_run(stack: Stack, who: Credentials, experiment: str) -> dict[str, str]:
    """What MLflow says of a run that it has made."""
    answer = ask(stack, who, "POST", "2.0/mlflow/runs/create", {"experiment_id": experiment})
    assert answer.status_code == 200, answer.text
    info: dict[str, str] = answer.json()["run"]["info"]
    return info


def put_artifact(stack: Stack, who: Credentials | None, path: str, content: bytes) -> int:
    """The status of writing there, with the path as it stands: requests would put `..` in it right."""
    session = requests.Session()
    session.trust_env = False
    url = f"{stack.uri}/api/2.0/mlflow-artifacts/artifacts/{path}"
    prepared = requests.Request("PUT", url, data=content, auth=who.pair if who else None).prepare()
    prepared.url = url
    return session.send(prepared, timeout=60).status_code
