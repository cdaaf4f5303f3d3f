"""Who may do what on the real server, and that a backup keeps all of it. One start and a second: 60 to 120 s."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from pawl.errors import InputError
from pawl.server.backup import back_up, restore
from tests.server.stack import Credentials, Stack, open_stack, server_folder

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


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with open_stack() as stack:
        ids = [
            ask(stack, stack.main, "GET", "2.0/mlflow/experiments/get-by-name", {"experiment_name": name}).json()
            for name in ("acme/ct", "acme/ct branches")
        ]
        main, branches = (found["experiment"]["experiment_id"] for found in ids)
        run = _run(stack, stack.main, main)
        path = run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/model.bin"
        assert _put(stack, stack.main, path, ARTIFACT) == 200
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
    where = {"params": values} if verb == "GET" else {"json": values}
    auth = who.pair if who else None
    return requests.request(verb, f"{stack.uri}/api/{path}", auth=auth, timeout=60, **where)  # type: ignore[arg-type]


def _run(stack: Stack, who: Credentials, experiment: str) -> dict[str, str]:
    answer = ask(stack, who, "POST", "2.0/mlflow/runs/create", {"experiment_id": experiment})
    assert answer.status_code == 200, answer.text
    info: dict[str, str] = answer.json()["run"]["info"]
    return info


def _put(stack: Stack, who: Credentials | None, path: str, content: bytes) -> int:
    """As it stands: requests would put `..` in a path right."""
    session = requests.Session()
    session.trust_env = False
    url = f"{stack.uri}/api/2.0/mlflow-artifacts/artifacts/{path}"
    prepared = requests.Request("PUT", url, data=content, auth=who.pair if who else None).prepare()
    prepared.url = url
    return session.send(prepared, timeout=60).status_code


def test_nobody_gets_in_without_a_password(world: World) -> None:
    paths = ("", "version", "metrics", "graphql", "api/2.0/mlflow/experiments/search?max_results=1", "signup")
    for path in paths:
        for auth in (None, ("admin", "wrong"), ("admin", ""), ("admin", "password1234"), ("nobody", "password1234")):
            assert requests.get(f"{world.stack.uri}/{path}", auth=auth, timeout=60).status_code == 401, (path, auth)
    assert _put(world.stack, None, world.path, b"evil") == 401
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
    run = _run(stack, who, world.branches)
    assert _put(stack, who, run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/a.txt", b"a") == 200
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
        status = _put(world.stack, world.stack.pull_requests, path, b"evil")
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
    _run(world.stack, world.stack.main, found["experiment"]["experiment_id"])
    _run(world.stack, world.stack.main, world.main)
    values = {"experiment_id": found["experiment"]["experiment_id"]}
    answer = ask(world.stack, world.stack.pull_requests, "POST", "2.0/mlflow/runs/create", values)
    assert answer.status_code == 403


def test_a_backup_while_runs_are_made_brings_everything_back(world: World, tmp_path: Path) -> None:
    """Runs that began after the database was seen are absent with their artifacts; all others are whole."""
    stack, file = world.stack, tmp_path / "backup.tar"
    enough = threading.Event()

    def work() -> None:
        while not enough.is_set():
            run = _run(stack, stack.main, world.main)
            _put(stack, stack.main, run["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/a.bin", b"a" * 1000)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        contents = back_up(stack.folder, file)
    finally:
        enough.set()
        worker.join()
    assert contents.runs >= 2
    assert file.stat().st_mode & 0o077 == 0
    held = file.read_bytes()
    for secret in stack.running.folder.passwords().users.values():
        assert secret.encode() not in held

    with server_folder() as folder:
        restore(file, folder)
        with pytest.raises(InputError, match="holds a server already"):
            restore(file, folder)
        shutil.copy(stack.folder / "passwords.json", tmp_path / "of-before.json")
        before = json.loads((tmp_path / "of-before.json").read_text())["users"]
        from pawl.server.stack import stack_in

        with stack_in(folder, workers=1) as running:
            new_admin = running.folder.passwords().users["admin"]
            assert new_admin != before["admin"]
            restored = Stack(
                running.uri,
                Credentials("admin", new_admin),
                Credentials("main", before["main"]),
                Credentials("pull-requests", before["pull-requests"]),
                folder,
                running,
            )
            assert ask(restored, restored.admin, "GET", "2.0/mlflow/users/list", {}).status_code == 200
            alias = {"name": "ct-digits", "alias": "champion"}
            version = ask(restored, restored.main, "GET", "2.0/mlflow/registered-models/alias", alias).json()
            assert version["model_version"]["run_id"] == world.run
            assert {"key": "a", "value": "b"} in version["model_version"]["tags"]
            runs = _all_runs(restored, [world.main, world.branches])
            assert world.run in runs
            assert contents.runs >= len(runs)
            url = f"{restored.uri}/api/2.0/mlflow-artifacts/artifacts/{world.path}"
            assert requests.get(url, auth=restored.pull_requests.pair, timeout=60).content == ARTIFACT
            assert _put(restored, restored.pull_requests, world.path, b"evil") == 403
            _run(restored, restored.main, world.main)
    keys = [name.split("/") for name in contents.files if "/artifacts/" in name]
    assert {parts[parts.index("artifacts") - 1] for parts in keys} <= set(_all_runs(stack, None))


def _all_runs(stack: Stack, experiments: list[str] | None) -> list[str]:
    found: list[dict[str, Any]] = []
    if experiments is None:
        listed = ask(stack, stack.admin, "GET", "2.0/mlflow/experiments/search", {"max_results": 100}).json()
        experiments = [experiment["experiment_id"] for experiment in listed["experiments"]]
    token = ""
    while True:
        values = {"experiment_ids": experiments, "max_results": 1000, "page_token": token}
        page = ask(stack, stack.admin, "POST", "2.0/mlflow/runs/search", values).json()
        found += page.get("runs", [])
        token = page.get("next_page_token", "")
        if not token:
            return [run["info"]["run_id"] for run in found]


@pytest.mark.parametrize("harm", ["short", "byte", "added", "link", "empty", "absent"])
def test_no_half_of_a_backup_is_restored(tmp_path: Path, harm: str) -> None:
    from pawl.server import archive

    file, target = tmp_path / "backup.tar", tmp_path / "server"
    with archive.writing(file) as (writer, finish):
        for name, content in ((archive.DUMP, b"dump"), (archive.OBJECTS + "1/x", b"weights" * 200)):
            writer.add(name, len(content), io.BytesIO(content))
        finish(archive.Contents(version=1, postgresql=15, runs=0, models=0, users=0, files=writer.files))
    assert archive.read_contents(file).files.keys() == {archive.DUMP, archive.OBJECTS + "1/x"}
    whole = file.read_bytes()
    if harm == "short":
        file.write_bytes(whole[:2000])
    elif harm == "byte":
        file.write_bytes(whole.replace(b"weights", b"weightz", 1))
    elif harm in ("added", "link"):
        with tarfile.open(file, "a") as tar:
            header = tarfile.TarInfo("objects/2")
            if harm == "link":
                header.type, header.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(header, io.BytesIO())
    elif harm == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    with pytest.raises(InputError, match=r"backup"):
        restore(file, target)
    assert not target.exists()
