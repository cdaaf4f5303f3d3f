"""The process that delivers: started beside a run, waited for at its end, and never for longer than it gets on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pawl.tracking.cursor import Cursor, cursor_of
from pawl.tracking.spool import size_of
from pawl.waiting import patience_seconds

_POLL_SECONDS = 0.05
_CONNECT_SECONDS = 0.5
_IMPORT_SECONDS = 60.0
"""MLflow takes seconds to import, on a busy machine many; they are not the server's."""
_TIMEOUT_SECONDS = 15.0
_MODULE = "pawl.tracking.deliver"


class Deliverer:
    """Delivers the spools in `folders` to `uri`, in a process of its own."""

    def __init__(self, folders: Sequence[Path], uri: str, archive_after_days: int | None) -> None:
        self._spool = folders[0]
        self._folders = tuple(folders)
        self._uri = uri
        env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        if archive_after_days is not None:
            env["PAWL_ARCHIVE_AFTER_DAYS"] = str(archive_after_days)
        # Not of our group: what interrupts a run must not interrupt the saying so.
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, *map(str, folders)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait(self, *, until_end: bool) -> Cursor:
        """Wait until all that is in the spool is delivered, or with `until_end` until the process ends too.

        Not for longer than it gets on, and PAWL_PATIENCE_SECONDS in all; then it is ended. What was confirmed by then.
        """
        started = moved = time.monotonic()
        before = self._standings()
        while not self._is_done(until_end=until_end):
            time.sleep(_POLL_SECONDS)
            now, standing, standings = time.monotonic(), self._standing(), self._standings()
            if standings != before:
                before, moved = standings, now
            stalled = now - moved > (_stall_seconds() if standing.state != "begun" else _IMPORT_SECONDS)
            if (
                stalled
                or now - started > patience_seconds()
                or standing.state == "refused"
                or self._is_in_vain(standing)
            ):
                self.end()
                break
        found = self._standing()
        if found.offset < size_of(self._spool) and not found.reason:
            return found.model_copy(update={"reason": f"no answer within {time.monotonic() - started:.0f} s"})
        return found

    @property
    def runs(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the process; what it had not delivered stays in the spool."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)

    def _is_done(self, *, until_end: bool) -> bool:
        if self._process.poll() is not None:
            return True
        return not until_end and self._standing().offset >= size_of(self._spool)

    def _is_in_vain(self, standing: Cursor) -> bool:
        return standing.state == "failing" and unreachable(self._uri) is not None

    def _standings(self) -> list[tuple[int, int, str]]:
        """How far each is."""
        found = [cursor_of(folder, self._uri).value for folder in self._folders]
        return [(cursor.sent, len(cursor.held), cursor.state) for cursor in found]

    def _standing(self) -> Cursor:
        return cursor_of(self._spool, self._uri).value


def _stall_seconds() -> float:
    """How long nothing may be confirmed: two tries of one request, and what is between them."""
    given = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "")
    return 5 + 3 * (float(given) if given.isdigit() else _TIMEOUT_SECONDS)


def unreachable(uri: str) -> str | None:
    """Why nothing can be delivered there, by what is known within half a second; None: it may be possible."""
    if find_spec("mlflow") is None:
        return "MLflow is not installed"
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return _within(_CONNECT_SECONDS, lambda: _connect(parts.hostname or "", parts.port or _port_of(parts.scheme)))


def _port_of(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _connect(host: str, port: int) -> str | None:
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return f"it cannot be reached: {error.strerror or error}".lower()
    return None


def _within(seconds: float, call: Callable[[], str | None]) -> str | None:
    from pawl.waiting import within

    try:
        return within(seconds * 1.5, call)  # a name server may take longer than any connection
    except TimeoutError:
        return "it cannot be reached: its name is not found"
