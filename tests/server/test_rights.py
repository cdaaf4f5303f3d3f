"""Who may do what on the real server. One start of it: 30 to 60 s."""

from __future__ import annotations

from typing import Any

import requests

from tests.server.world import ARTIFACT, World, ask, new_run, put_artifact


def test_nobody_gets_in_without_a_password(world: World) -> None:
    paths = ("", "version", "metrics", "graphql", "api/2.0/mlflow/experiments/search?max_results=1", "signup")
    for path in paths:
        for auth in (None, ("admin", "wrong"), ("admin", ""), ("admin", "password1234"), ("nobody", "password1234")):
            assert requests.get(f"{world.stack.uri}/{path}", auth=auth, timeout=60).status_code == 401, (path, auth)
    assert put_artifact(world.stack, None, world.path, b"evil") == 401
    assert requests.get(f"{world.stack.uri}/health", timeout=60).status_code == 200


def test_other_host_names_and_other_pages_are_refused(world: World) -> None:
    port = world.stack.uri.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "10.0.0.1"):
        answer = requests.get(world.stack.uri, headers={"Host": host}, auth=world.stack.admin.pair, timeout=60)
        assert answer.status_code == 403, host
    url = f"{world.stack.uri}/api/2.0/mlflow/runs/create"
    headers = {"Origin": "https://evil.example"}
    answer = requests.post(url, json={}, headers=headers, auth=world.stack.admin.pair, timeout=60)
    assert answer.status_code == 403


def test_a_pull_request_works_in_its_own_experiment_and_reads_the_rest(world: World) -> None:
    stack, who = world.stack, world.stack.pull_requests
    run = new_run(stack, who, world.branches)
    assert put_artifact(stack, who, run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/a.txt", b"a") == 200
    metric = {"run_id": run["run_id"], "key": "loss", "value": 1.0, "timestamp": 1, "step": 1}
    assert ask(stack, who, "POST", "2.0/mlflow/runs/log-metric", metric).status_code == 200
    assert ask(stack, who, "GET", "2.0/mlflow/runs/get", {"run_id": world.run}).status_code == 200
    read = requests.get(f"{stack.uri}/api/2.0/mlflow-artifacts/artifacts/{world.path}", auth=who.pair, timeout=60)
    assert read.content == ARTIFACT
    alias = {"name": "ct-digits", "alias": "champion"}
    found = ask(stack, who, "GET", "2.0/mlflow/registered-models/alias", alias).json()
    assert found["model_version"]["version"] == "1"


def _writes(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    run, model, me = {"run_id": world.run}, {"name": "ct-digits"}, world.stack.pull_requests.name
    version = model | {"version": "1"}
    return [
        ("POST", "2.0/mlflow/runs/create", {"experiment_id": world.main}),
        ("POST", "2.0/mlflow/runs/set-tag", run | {"key": "pawl.stage_key", "value": "x"}),
        ("POST", "2.0/mlflow/runs/delete-tag", run | {"key": "mlflow.runName"}),
        ("POST", "2.0/mlflow/runs/log-metric", run | {"key": "a", "value": 1, "timestamp": 1}),
        ("POST", "2.0/mlflow/runs/log-batch", run | {"params": [{"key": "a", "value": "b"}]}),
        ("POST", "2.0/mlflow/runs/log-inputs", run | {"datasets": []}),
        ("POST", "2.0/mlflow/runs/update", run | {"status": "FAILED"}),
        ("POST", "2.0/mlflow/runs/delete", run),
        ("POST", "2.0/mlflow/experiments/create", {"name": "mine"}),
        ("POST", "2.0/mlflow/experiments/delete", {"experiment_id": world.main}),
        ("POST", "2.0/mlflow/experiments/update", {"experiment_id": world.main, "new_name": "x"}),
        ("POST", "2.0/mlflow/experiments/set-experiment-tag", {"experiment_id": world.main, "key": "a", "value": "b"}),
        ("POST", "2.0/mlflow/logged-models", {"experiment_id": world.main, "name": "x"}),
        ("POST", "2.0/mlflow/registered-models/create", {"name": "ct-pets"}),
        ("POST", "2.0/mlflow/registered-models/rename", model | {"new_name": "x"}),
        ("PATCH", "2.0/mlflow/registered-models/update", model | {"description": "x"}),
        ("DELETE", "2.0/mlflow/registered-models/delete", model),
        ("POST", "2.0/mlflow/registered-models/alias", version | {"alias": "champion"}),
        ("DELETE", "2.0/mlflow/registered-models/alias", model | {"alias": "champion"}),
        ("POST", "2.0/mlflow/registered-models/set-tag", model | {"key": "a", "value": "b"}),
        ("POST", "2.0/mlflow/model-versions/create", model | {"source": "mlflow-artifacts:/x"}),
        ("PATCH", "2.0/mlflow/model-versions/update", version | {"description": "x"}),
        ("DELETE", "2.0/mlflow/model-versions/delete", version),
        ("POST", "2.0/mlflow/model-versions/set-tag", version | {"key": "pawl.champion", "value": "yes"}),
        ("DELETE", "2.0/mlflow/model-versions/delete-tag", version | {"key": "a"}),
        ("POST", "2.0/mlflow/webhooks", {"name": "x", "url": "https://evil.example", "events": []}),
        ("POST", "2.0/mlflow/users/create", {"username": "eve", "password": "a long password"}),
        ("PATCH", "2.0/mlflow/users/update-admin", {"username": me, "is_admin": True}),
        ("PATCH", "2.0/mlflow/users/update-password", {"username": "main", "password": "a long password"}),
        ("DELETE", "2.0/mlflow/users/delete", {"username": "main"}),
        ("POST", "3.0/mlflow/roles/create", {"workspace": "default", "name": "x"}),
        ("POST", "3.0/mlflow/workspaces", {"name": "mine"}),
    ]


def test_a_pull_request_writes_nothing_of_mains(world: World) -> None:
    for verb, path, values in _writes(world):
        answer = ask(world.stack, world.stack.pull_requests, verb, path, values)
        assert answer.status_code == 403, (path, answer.status_code, answer.text)
    assert ask(world.stack, world.stack.admin, "GET", "2.0/mlflow/registered-models/get", {"name": "ct-digits"}).ok


def test_a_pull_request_writes_no_artifact_of_mains(world: World) -> None:
    inside = world.path.removeprefix("workspaces/default/")
    digit = f"%25{ord(world.main[0]):02x}"
    for path in (
        world.path,
        inside,
        f"/{world.path}",
        f"./{world.path}",
        f"%2e%2e/{world.path}",
        f"{world.branches}/../{inside}",
        f"workspaces/default/{world.branches}/..%2f{inside}",
        f"workspaces/default/{world.branches}/%252e%252e/{inside}",
        f"workspaces/default/{digit}{world.main[1:]}/{inside.partition('/')[2]}",
        "workspaces/default/anything",
        "anything",
    ):
        status = put_artifact(world.stack, world.stack.pull_requests, path, b"evil")
        assert status in (400, 403, 404), (path, status)
    url = f"{world.stack.uri}/api/2.0/mlflow-artifacts/artifacts/{world.path}"
    assert requests.delete(url, auth=world.stack.pull_requests.pair, timeout=60).status_code == 403
    assert requests.get(url, auth=world.stack.main.pair, timeout=60).content == ARTIFACT


def test_main_does_not_write_where_pull_requests_do(world: World) -> None:
    answer = ask(world.stack, world.stack.main, "POST", "2.0/mlflow/runs/create", {"experiment_id": world.branches})
    assert answer.status_code == 403


def test_users_may_be_made_again_and_for_a_second_repository(world: World) -> None:
    from pawl.server.users import make_users

    folder = world.stack.running.folder
    before = folder.passwords().users
    for repository in ("acme/ct", "acme/other"):
        made = make_users(folder, world.stack.uri, repository)
        assert [(account.is_new, account.password_is_new) for account in made] == [(False, False)] * 2
    assert folder.passwords().users == before
    found = ask(
        world.stack,
        world.stack.main,
        "GET",
        "2.0/mlflow/experiments/get-by-name",
        {"experiment_name": "acme/other"},
    ).json()
    new_run(world.stack, world.stack.main, found["experiment"]["experiment_id"])
    new_run(world.stack, world.stack.main, world.main)
    values = {"experiment_id": found["experiment"]["experiment_id"]}
    answer = ask(world.stack, world.stack.pull_requests, "POST", "2.0/mlflow/runs/create", values)
    assert answer.status_code == 403
