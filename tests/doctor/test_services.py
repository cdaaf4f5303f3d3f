"""MLflow and CML: a real server, and ones that are not what they should be."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import pytest

from pawl.config import parse_config
from pawl.doctor.services import cml_lines, mlflow_lines, registry_lines
from tests.e2e.ports import free_port
from tests.registry.keys import make_keys

START_SECONDS = 120
DEFAULT = parse_config("", "pawl.yaml")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server; it takes 5 to 20 s to start."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder)]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + START_SECONDS
        while not answers(f"{address}/health"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def test_a_real_server_and_its_version(server: str) -> None:
    [line] = mlflow_lines(DEFAULT, {"MLFLOW_TRACKING_URI": f"{server}/"})
    assert (line.state, line.found) == ("ok", f"{server} runs {metadata.version('mlflow')}")
    by_settings = parse_config(f"tracking: {{uri: '{server}'}}", "pawl.yaml")
    assert mlflow_lines(by_settings, {}) == [line]


@contextmanager
def serving(status: int, text: str, seen: list[str | None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (401, "", "does not let this machine in (401)"),
        (403, "Invalid Host", "does not let this machine in (403)"),
        (200, "<html>", "not as MLflow does"),
        (302, "", "not as MLflow does (302)"),
        (200, "1.30.0", "runs 1.30.0, and the client here is"),
    ],
)
def test_servers_that_are_not_as_they_should_be(status: int, text: str, words: str) -> None:
    with serving(status, text, []) as url:
        line = mlflow_lines(DEFAULT, {"MLFLOW_TRACKING_URI": url})[0]
    assert (line.state, words in line.found) == ("warning", True)


def test_the_login_is_sent_and_in_no_line() -> None:
    seen: list[str | None] = []
    with serving(401, "", seen) as url:
        basic = {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "secret"}
        lines = mlflow_lines(DEFAULT, {"MLFLOW_TRACKING_URI": url} | basic)
        lines += mlflow_lines(DEFAULT, {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": "secret"})
        lines += mlflow_lines(DEFAULT, {"MLFLOW_TRACKING_URI": url.replace("//", "//ada:secret@")})
    assert seen[:2] == [f"Basic {base64.b64encode(b'ada:secret').decode()}", "Bearer secret"]
    assert "secret" not in str(lines)


def test_a_server_that_is_down_and_one_that_never_answers() -> None:
    [line] = mlflow_lines(DEFAULT, {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"})
    assert (line.state, "cannot be reached" in line.found) == ("warning", True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        [line] = mlflow_lines(DEFAULT, {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{silent.getsockname()[1]}"})
    assert time.monotonic() - begun < 10.0
    assert (line.state, "cannot be reached" in line.found) == ("warning", True)


@pytest.mark.parametrize(
    ("text", "uri", "state", "words"),
    [
        ("tracking: {enabled: false}", None, "ok", "switched off"),
        ("", None, "warning", "no server is named"),
        ("", "sqlite:///x.db", "ok", "a database"),
        ("", "postgresql://ada:secret@db/x", "ok", "postgresql://***@db/x"),
        ("", "mlruns", "warning", "neither a server nor a database"),
        ("", "http://[", "warning", ""),
    ],
)
def test_where_runs_go_without_a_server(text: str, uri: str | None, state: str, words: str) -> None:
    from pawl.doctor.checks import Check, carry_out

    env = {"MLFLOW_TRACKING_URI": uri} if uri else {}
    [line] = carry_out([Check("services", "MLflow", lambda: mlflow_lines(parse_config(text, "pawl.yaml"), env))], 9.0)
    assert (line.state, words in line.found) == (state, True)


@pytest.mark.parametrize(
    ("script", "state", "words"),
    [
        ("echo 0.20.6", "ok", "0.20.6"),
        ("echo 0.19.0", "warning", "made for 0.20"),
        ("echo usage: cml >&2; exit 2", "warning", "is not CML: usage: cml"),
        ('test -z "$SECRET" && echo 0.20.6', "ok", "0.20.6"),
    ],
)
def test_cml_and_what_only_has_its_name(tmp_path: Path, script: str, state: str, words: str) -> None:
    program = tmp_path / "cml"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    [line] = cml_lines({"PATH": f"{tmp_path}:/usr/bin:/bin", "SECRET": "x"})
    assert (line.state, words in line.found) == (state, True)


def test_without_cml_the_comment_is_posted_all_the_same(tmp_path: Path) -> None:
    [line] = cml_lines({"PATH": str(tmp_path)})
    assert (line.state, "not installed" in line.found) == ("ok", True)


def test_the_registry_is_asked_and_the_key_is_looked_at(server: str, tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_URI": server}
    registry, signing = registry_lines(DEFAULT, environ, tmp_path)
    assert (registry.state, registry.found) == ("ok", f"{server} shows its models")
    assert (signing.state, signing.found) == ("ok", "none: there is no model-signing.pub")
    private, public = make_keys(tmp_path, "model-signing")
    [_, signing] = registry_lines(DEFAULT, environ, tmp_path)
    assert (signing.state, signing.found) == ("ok", "model-signing.pub, secp256r1")
    public.write_bytes(private.read_bytes())
    [signing] = registry_lines(DEFAULT, {}, tmp_path)
    assert (signing.state, signing.found) == ("error", "model-signing.pub holds a private key")
    public.write_text("nothing")
    [signing] = registry_lines(DEFAULT, {}, tmp_path)
    assert signing.state == "error"
    public.unlink()
    [signing] = registry_lines(parse_config("registry: {sign: key}", "pawl.yaml"), {}, tmp_path)
    assert (signing.state, "docs/registry.md" in signing.remedy) == ("error", True)
    assert registry_lines(parse_config("tracking: {enabled: false}", "pawl.yaml"), environ, tmp_path) == []
