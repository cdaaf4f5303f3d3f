"""A stateful fake of GitHub's REST API on 127.0.0.1, with scripted faults.

In a test:

    with FakeGitHub() as github:
        github.add_token("t"); github.add_pull_request("acme/ct", 7)
        ...  # github.url is what GITHUB_API_URL would be
        assert github.bodies("acme/ct", 7) == [...]

From another process: `python -m tests.fakes.github --port-file F --state-file F`. It writes the port once it answers,
and keeps the state file up to date. The state file may exist before, as `State.as_json` writes it, with tokens, pull
requests and `faults`; without one there is the token and the pull request of the options. `POST /_fake/faults` adds a
list of faults. `--tls` serves https with a self-signed certificate, written to `--certificate-file`.
Every path is also served under `/api/v3`, as on GitHub Enterprise Server, which is where CML looks on any host but
github.com.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.github_routes import NOT_FOUND, Answer, error, route
from tests.fakes.github_state import Comment, Fault, Request, State
from tests.fakes.tls import write_certificate


class FakeGitHub:
    """The server as a context manager; `state` holds everything, and its adders are here for short tests."""

    def __init__(self, state_file: Path | None = None, certificate_file: Path | None = None, port: int = 0) -> None:
        self.state = State(state_file)
        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.server.state = self.state  # type: ignore[attr-defined]
        self.server.closing = threading.Event()  # type: ignore[attr-defined]
        scheme = "http"
        if certificate_file is not None:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate_file, write_certificate(certificate_file))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port: int = self.server.server_address[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.server.base = self.url  # type: ignore[attr-defined]
        self.add_token = self.state.add_token
        self.add_pull_request = self.state.add_pull_request
        self.add_comment = self.state.add_comment

    def __enter__(self) -> FakeGitHub:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.closing.set()  # type: ignore[attr-defined]
        self.server.shutdown()
        self.server.server_close()

    def fault(self, method: str = "", path: str = "", **more: Any) -> Fault:
        """Script a fault; see `Fault`."""
        with self.state.lock:
            self.state.faults.append(Fault(method, path, **more))
            return self.state.faults[-1]

    def comments(self, repository: str, number: int) -> list[Comment]:
        """Oldest first."""
        return self.state.listed(repository, number)

    def bodies(self, repository: str, number: int) -> list[str]:
        return [comment.body for comment in self.comments(repository, number)]

    def requests(self, method: str = "", path: str = "") -> list[Request]:
        """The requests so far whose method and path match."""
        with self.state.lock:
            return [r for r in self.state.requests if method in ("", r.method) and re.search(path, r.path)]


class Handler(BaseHTTPRequestHandler):
    """One connection: find the fault, answer, log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms, since its head and its body are sent apart

    def log_message(self, *args: object) -> None:
        """Nothing on stderr: the requests are in the state."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the fake's own clock."""
        state: State = self.server.state  # type: ignore[attr-defined]
        return super().date_time_string(state.runners.now() if timestamp is None else timestamp)

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        path = re.sub(r"^/api(/v3)?(?=/)", "", url.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        state: State = self.server.state  # type: ignore[attr-defined]
        if path.startswith("/_fake/"):
            self.send(control(state, self.command, path, raw))
            return
        fault = state.fault_for(self.command, path)
        if fault is not None and fault.before is not None:
            fault.before()
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        identity = state.tokens.get(token) if scheme.lower() in ("token", "bearer") else None
        identity = identity or state.runners.app_of(token)
        with state.lock:
            answer: Answer | None = None
            if fault is None or fault.applies or fault.how in ("pass", "truncate"):
                base: str = self.server.base  # type: ignore[attr-defined]
                answer = route(state, base, self.command, path, parse_qs(url.query), raw, identity)
            if answer is None or (fault is not None and fault.how == "answer"):
                assert fault is not None
                answer = (fault.status, fault.raw if fault.raw is not None else error(fault.message), fault.headers)
            body = parsed(raw)
            login = identity.login if identity else None
            agent = self.headers.get("User-Agent") or ""
            state.requests.append(Request(self.command, path, url.query, login, agent, answer[0], body))
            state.save()
        if fault is not None and fault.delay_seconds:
            time.sleep(fault.delay_seconds)
        if fault is not None and fault.how == "hang":
            self.server.closing.wait()  # type: ignore[attr-defined]
        if fault is not None and fault.how in ("drop", "hang"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send(answer, truncate=fault is not None and fault.how == "truncate")

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any  # noqa: N815

    def send(self, answer: Answer, *, truncate: bool = False) -> None:
        status, content, headers = answer
        text = content if isinstance(content, str) else json.dumps(content)
        data = b"" if status == 204 else text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json; charset=utf-8")
        defaults = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4990", "x-ratelimit-reset": "4102444800"}
        for name, value in (defaults | headers).items():
            self.send_header(name, value)
        if truncate:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if truncate else data)


def parsed(raw: bytes) -> Any:
    """A request's JSON; None for anything else, such as a form or a picture."""
    try:
        return json.loads(raw)
    except ValueError:
        return None


def control(state: State, method: str, path: str, raw: bytes) -> Answer:
    """The test's own door, for other processes: read the state, add faults."""
    if (method, path) == ("GET", "/_fake/state"):
        return 200, state.as_json(), {}
    if (method, path) == ("POST", "/_fake/faults"):
        with state.lock:
            state.faults += [Fault(**fault) for fault in json.loads(raw)]
        return 200, {}, {}
    return NOT_FOUND


def main() -> None:
    """Serve until terminated; see the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.github", description=__doc__)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--state-file", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--certificate-file", type=Path)
    parser.add_argument("--repository", default="acme/ct")
    parser.add_argument("--pull-request", type=int, action="append")
    parser.add_argument("--token", action="append", help="TOKEN or TOKEN=LOGIN; a login without [bot] is a person's")
    options = parser.parse_args()
    certificate = (options.certificate_file or options.port_file.with_suffix(".pem")) if options.tls else None
    with FakeGitHub(options.state_file, certificate, options.port) as github:
        if not github.state.pulls:
            for number in options.pull_request or [1]:
                github.add_pull_request(options.repository, number)
        if not github.state.tokens:
            for token, _, login in (given.partition("=") for given in options.token or ["t"]):
                login = login or "github-actions[bot]"
                github.add_token(token, login, kind="App" if login.endswith("[bot]") else "User")
        fresh = options.port_file.with_name(f".{options.port_file.name}")
        fresh.write_text(str(github.port), "utf-8")
        fresh.replace(options.port_file)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()


if __name__ == "__main__":
    main()
