"""What deploy/mlflow/compose.yaml promises, read from it; its store's command and its bucket's script, run. 20 s."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from pawl.server.processes import free_ports
from pawl.server.store import find_weed

DEPLOY = Path(__file__).parents[2] / "deploy" / "mlflow"
REQUIRED = {
    *("DATABASE_PASSWORD", "TRACKING_DATABASE_PASSWORD", "AUTH_DATABASE_PASSWORD", "STORE_PASSWORD"),
    *("ADMIN_PASSWORD", "FORMS_KEY", "MLFLOW_HOST"),
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert set(found) == {"database", "store", "bucket", "mlflow", "proxy"}
    return found


def test_images_are_named_by_digest(services: dict[str, Any]) -> None:
    own = re.compile(r"^docker\.io/[a-z/]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}$")
    for name, service in services.items():
        assert own.match(service["image"]) or "build" in service, name
    assert own.match(re.findall(r"^FROM (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[0])


def test_only_the_proxy_is_reached_and_from_this_machine_alone(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"proxy": ["${MLFLOW_LISTEN:-127.0.0.1}:${MLFLOW_PORT:-8443}:8443"]}
    assert {name for name, service in services.items() if "front" in service["networks"]} == {"mlflow", "proxy"}
    assert yaml.safe_load((DEPLOY / "compose.yaml").read_text())["networks"]["inside"] == {"internal": True}
    example = _variables(DEPLOY / ".env.example")
    assert (example["MLFLOW_LISTEN"], example["MLFLOW_HOST"]) == ("127.0.0.1", "localhost")


def test_no_password_has_a_default(services: dict[str, Any]) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    example = _variables(DEPLOY / ".env.example")
    assert used == set(example)
    for name in REQUIRED:
        forms = set(re.findall(rf"\$\{{{name}([^}}]*)\}}", text))
        # MLFLOW_HOST stands twice in a line that demands it.
        assert forms, name
        assert all(form.startswith(":?") or (name == "MLFLOW_HOST" and not form) for form in forms), name
    assert {name for name in example if re.search("PASSWORD|KEY", name)} == REQUIRED - {"MLFLOW_HOST"}
    assert all(not example[name] for name in REQUIRED - {"MLFLOW_HOST"})
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET", variable):
                assert value.startswith("${"), (name, variable)


def test_everything_is_waited_for_until_it_works(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert ("healthcheck" in service) is (name != "bucket"), name
        for other, condition in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "bucket" else "service_healthy"
            assert condition == {"condition": wanted}, (name, other)
    assert set(services["mlflow"]["depends_on"]) == {"database", "store", "bucket"}
    assert set(services["proxy"]["depends_on"]) == {"mlflow"}


def test_nothing_has_more_rights_than_it_needs(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "network_mode", "pid"} & set(service), name
        assert "docker.sock" not in str(service), name
    assert {services[name]["user"] for name in ("mlflow", "bucket")} == {"10001:10001"}


def test_mlflow_is_closed_as_it_is_without_containers(services: dict[str, Any]) -> None:
    environment = services["mlflow"]["environment"]
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_ENABLE_WORKSPACES"] == "true"
    assert "*" not in environment["MLFLOW_SERVER_ALLOWED_HOSTS"] + environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"]
    start = (DEPLOY / "start.sh").read_text()
    assert "default_permission = NO_PERMISSIONS" in start
    assert "grant_default_workspace_access = false" in start
    assert "--app-name basic-auth" in start
    for script in ("start.sh", "roles.sh"):
        subprocess.run(["sh", "-n", str(DEPLOY / script)], check=True)


@pytest.fixture(scope="module")
def store(services: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The store as compose.yaml starts it, in another folder and at other ports; how it is reached."""
    folder = tmp_path_factory.mktemp("store")
    ports = dict(zip(("s3", "master", "volume", "filer"), free_ports(4), strict=True))
    inner = [f"-{name}.port={port}" for name, port in ports.items()]
    inner += [f"-{name}.port.grpc={port}" for name, port in zip(ports, free_ports(4), strict=True)]
    command = [part.replace("/data", str(folder)) for part in services["store"]["command"]]
    keys = {"AWS_ACCESS_KEY_ID": "mlflow", "AWS_SECRET_ACCESS_KEY": "made for a test"}
    log = (folder.parent / "weed.log").open("wb")
    process = subprocess.Popen([find_weed(), *command, *inner], env={**os.environ, **keys}, stdout=log, stderr=log)
    uri = f"http://127.0.0.1:{ports['s3']}"
    try:
        _wait(f"{uri}/{services['store']['healthcheck']['test'][-1].rpartition('/')[2]}")
        yield {**keys, "MLFLOW_S3_ENDPOINT_URL": uri, "AWS_DEFAULT_REGION": "us-east-1"}
    finally:
        process.kill()
        process.wait()
        log.close()


def test_artifacts_are_saved_and_loaded(store: dict[str, str]) -> None:
    assert _bucket(store, "make").returncode == 0
    assert _bucket(store, "make").returncode == 0, "it is there already"
    files = {"1/a.bin": b"a" * 100_000, "workspaces/default/1/b c.txt": b"b", "empty": b""}
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    loaded = _bucket(store, "load", held.getvalue())
    assert loaded.returncode == 0, loaded.stderr
    saved = _bucket(store, "save")
    with tarfile.open(fileobj=io.BytesIO(saved.stdout)) as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == files  # type: ignore[union-attr]
    assert requests.get(f"{store['MLFLOW_S3_ENDPOINT_URL']}/mlflow/empty", timeout=60).status_code == 403
    assert _bucket({**store, "AWS_SECRET_ACCESS_KEY": "another"}, "save").returncode != 0


def _bucket(store: dict[str, str], command: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    script = [sys.executable, str(DEPLOY / "bucket.py"), command]
    return subprocess.run(script, env={**os.environ, **store}, input=given, capture_output=True, timeout=120)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} never answers")


def _variables(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
