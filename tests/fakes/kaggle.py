"""A stateful fake of Kaggle's downloads on 127.0.0.1: an API that asks for a token and redirects to a host of files.

with FakeKaggle(archive_bytes) as kaggle:
    kaggle.faults.append(Fault(status=429, headers={"Retry-After": "3"}))
    ...  # kaggle.address is what the site's address would be
    assert kaggle.requests[0].authorization == "Bearer t"
"""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMPETITION = "aptos2019-blindness-detection"
TOKEN = "t0ken"
USERNAME, KEY = "somebody", "k3y"
ACCEPTED = {f"Bearer {TOKEN}", "Basic " + base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()}


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of, or after, `send_bytes` of the answer."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    send_bytes: int | None = None
    """Of the file that the answer promises; then the connection closes."""
    on_files: bool = False
    """Whether it is the host of the files that fails, and not the API."""


@dataclass(frozen=True)
class Request:
    """One request that came in."""

    host: str
    """`api` or `files`."""
    authorization: str | None
    range: str | None
    if_range: str | None


class FakeKaggle:
    """Two servers, because the redirect is to another host."""

    def __init__(self, archive: bytes, etag: str = '"v1"') -> None:
        self.archive, self.etag = archive, etag
        self.rules_accepted, self.knows_ranges = True, True
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.servers = {}
        for host, handler in (("api", Api), ("files", Files)):
            self.servers[host] = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            self.servers[host].kaggle = self  # type: ignore[attr-defined]
        self.address = f"http://127.0.0.1:{self.servers['api'].server_address[1]}"
        # Another name for another host: by it a client decides what to send along.
        self.files_address = f"http://localhost:{self.servers['files'].server_address[1]}"

    def __enter__(self) -> FakeKaggle:
        for server in self.servers.values():
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for server in self.servers.values():
            server.shutdown()
            server.server_close()

    def fault(self, host: str) -> Fault | None:
        """The next fault of this host, which is then gone."""
        for fault in self.faults:
            if fault.on_files == (host == "files"):
                self.faults.remove(fault)
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    host = ""

    def log_message(self, *args: object) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        kaggle: FakeKaggle = self.server.kaggle  # type: ignore[attr-defined]
        headers = self.headers
        kaggle.requests.append(
            Request(self.host, headers.get("Authorization"), headers.get("Range"), headers.get("If-Range"))
        )
        fault = kaggle.fault(self.host)
        if fault is not None and fault.status is not None:
            self.answer(fault.status, b"{}", fault.headers)
            return
        self.handle_get(kaggle, fault)

    def handle_get(self, kaggle: FakeKaggle, fault: Fault | None) -> None:
        raise NotImplementedError

    def answer(self, status: int, body: bytes, headers: dict[str, str], send_bytes: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body if send_bytes is None else body[:send_bytes])
        self.close_connection = True


class Api(_Handler):
    host = "api"

    def handle_get(self, kaggle: FakeKaggle, fault: Fault | None) -> None:
        if self.headers.get("Authorization") not in ACCEPTED:
            self.answer(401, b'{"message": "Unauthenticated"}', {})
        elif self.path != f"/api/v1/competitions/data/download-all/{COMPETITION}":
            self.answer(404, b"{}", {})
        elif not kaggle.rules_accepted:
            self.answer(403, b'{"message": "You must accept this competition\'s rules"}', {})
        else:
            self.answer(302, b"", {"Location": f"{kaggle.files_address}/bucket/archive.zip?signature=s"})


class Files(_Handler):
    host = "files"

    def handle_get(self, kaggle: FakeKaggle, fault: Fault | None) -> None:
        content, send_bytes = kaggle.archive, fault.send_bytes if fault else None
        headers = {"ETag": kaggle.etag, "Content-Type": "application/zip"}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and kaggle.knows_ranges and self.headers.get("If-Range") in (None, kaggle.etag):
            start = int(wanted[1])
            if start >= len(content):
                self.answer(416, b"", {})
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(206, content[start:], headers, send_bytes)
        else:
            self.answer(200, content, headers, send_bytes)
