"""A proxy on 127.0.0.1 that stands in front of one HTTP service and fails as networks and services do.

    with FaultProxy(upstream_url) as proxy:
        proxy.fault = Fault("reset", times=1, path="/comments")
        ...  # ask proxy.url
        assert proxy.struck == 1

One connection carries one request. Without a fault the true answer is passed on as it comes.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["refuse", "hang", "reset", "cut", "500", "429", "slow", "trickle", "hold"]
PIECE_SECONDS = 0.1
PIECES = 4
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Fault:
    """What happens to the next `times` requests (-1: all) whose method and path match, `skip` of them let through.

    refuse: nobody listens (whatever the request). hang: the request is taken and never answered. reset: the connection
    is reset. cut: the true answer ends `cut_bytes` into its body. 500 and 429: answers without effect. slow: the
    true answer comes in pieces, within half a second or so. trickle: it comes byte for byte and would take hours, so
    that no time limit between two bytes ends it. hold: the request has its effect and its answer is withheld.
    """

    kind: Kind
    times: int = -1
    method: str = ""
    path: str = ""
    skip: int = 0
    cut_bytes: int = 10
    retry_after: int = 1

    def takes(self, method: str, path: str) -> bool:
        """Whether it is this request's turn, counting it."""
        if self.times == 0 or (self.method and self.method != method) or not re.search(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        return True


class FaultProxy:
    """The proxy as a context manager."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname
        assert parts.port
        self.upstream = (parts.hostname, parts.port)
        self.struck = 0
        """How many requests met a fault so far."""
        self.reached = threading.Event()
        """Set when a request has met the fault and, where it is one that lets it through, has had its effect."""
        self.requests: list[tuple[str, str]] = []
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener: socket.socket | None = None
        self._port = 0
        self._listen()
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._deafen()

    @property
    def fault(self) -> Fault | None:
        """What happens to requests now."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        with self._lock:
            self._fault = fault
            self.reached.clear()
        if fault is not None and fault.kind == "refuse":
            self._deafen()
        elif self._listener is None:
            self._listen()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _deafen(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = _read_request(connection)
            if request is None:
                return
            method, path, raw = request
            with self._lock:
                self.requests.append((method, path))
                fault = self._fault if self._fault is not None and self._fault.takes(method, path) else None
                if fault is not None:
                    self.struck += 1
            if fault is None:
                for part in self._ask(raw):
                    connection.sendall(part)
                return
            self._fail(connection, fault, raw)

    def _fail(self, connection: socket.socket, fault: Fault, raw: bytes) -> None:
        if fault.kind in ("cut", "slow", "trickle", "hold"):
            answer = b"".join(self._ask(raw))
            self.reached.set()
            head_bytes = answer.find(b"\r\n\r\n") + 4
            if fault.kind == "cut":
                connection.sendall(answer[: min(head_bytes + fault.cut_bytes, len(answer) - 1)])
            elif fault.kind == "hold":
                self._closing.wait()
            else:
                self._drip(connection, answer, 1 if fault.kind == "trickle" else -(-len(answer) // PIECES))
            return
        self.reached.set()
        if fault.kind == "hang":
            self._closing.wait()
        elif fault.kind == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        elif fault.kind == "500":
            connection.sendall(_answer("500 Internal Server Error", '{"message": "Server Error"}'))
        elif fault.kind == "429":
            said = '{"message": "Too many requests"}'
            connection.sendall(_answer("429 Too Many Requests", said, f"Retry-After: {fault.retry_after}\r\n"))

    def _drip(self, connection: socket.socket, answer: bytes, size: int) -> None:
        for start in range(0, len(answer), size):
            connection.sendall(answer[start : start + size])
            if self._closing.wait(PIECE_SECONDS):
                return

    def _ask(self, raw: bytes) -> Iterator[bytes]:
        """The service's answer, in parts as they come."""
        with socket.create_connection(self.upstream, timeout=60) as service:
            service.sendall(_addressed(raw, *self.upstream))
            # Or the client keeps the connection, and meets its end at the next request.
            yield service.recv(65_536).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            while part := service.recv(65_536):
                yield part


def _read_request(connection: socket.socket) -> tuple[str, str, bytes] | None:
    """(method, path with its query, all bytes) of the one request; None where the client says nothing."""
    raw = b""
    while (end := raw.find(b"\r\n\r\n")) < 0:
        part = connection.recv(65_536)
        if not part:
            return None
        raw += part
    head = raw[:end].decode("latin-1")
    found = re.search(r"(?im)^content-length: *(\d+)", head)
    wanted = end + 4 + int(found[1] if found else 0)
    while len(raw) < wanted:
        part = connection.recv(65_536)
        if not part:
            return None
        raw += part
    method, path, _ = head.split("\r\n", 1)[0].split(" ", 2)
    return method, path, raw


def _addressed(raw: bytes, host: str, port: int) -> bytes:
    """The request as the service itself would have got it, and as the last on its connection."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"host:", b"connection:"))]
    lines[1:1] = [b"Host: %s:%d" % (host.encode(), port), b"Connection: close"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _answer(status: str, body: str, more: str = "") -> bytes:
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return f"HTTP/1.1 {status}\r\n{more}{length}\r\n{body}".encode()
