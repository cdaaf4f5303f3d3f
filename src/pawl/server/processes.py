"""One process of a server: started into a log, told apart when it ends by itself, stopped with all it has started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import InputError, ServiceError

_CHILD = Path(__file__).with_name("child.py")
_LOOK_SECONDS = 0.1
_MOST_LOG_BYTES = 20_000_000
_TAIL_BYTES, _TAIL_LINES = 4_096, 5


@dataclass(frozen=True)
class User:
    """As whom a process runs, in place of root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Running:
    """A process that was started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals

    def raise_if_ended(self) -> None:
        """Raises ServiceError with its last words where it has ended."""
        code = self.process.poll()
        if code is None:
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        said = _last_lines(self.log)
        raise ServiceError(f"{self.name} {how}; its log is {self.log}{f' and ends: {said}' if said else '.'}")

    def stop(self, within_seconds: float = 20.0) -> None:
        """Ask it to end, wait, and kill what is left of its group."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(within_seconds)
        # Also where it ended: what it started may go on without it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(
    name: str,
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
    user: User | None = None,
) -> Running:
    """A process in a group of its own, so that Ctrl-C does not reach it before its turn comes."""
    if log.exists() and log.stat().st_size > _MOST_LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
    ids = [str(user.uid), str(user.gid)] if user else ["-1", "-1"]
    wrapper = [sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()), str(int(stop_signal)), *ids]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*wrapper, *command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Running(name, process, log, stop_signal)


def wait_until(running: Running, is_ready: Callable[[], bool], within_seconds: float) -> None:
    """Wait for a process to do its work. Raises ServiceError where it ends or takes too long."""
    deadline = time.monotonic() + within_seconds
    while not is_ready():
        running.raise_if_ended()
        if time.monotonic() > deadline:
            raise ServiceError(f"{running.name} is not ready after {within_seconds:.0f} s; its log is {running.log}.")
        time.sleep(_LOOK_SECONDS)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def require_free(port: int, option: str) -> int:
    """The port itself. Raises InputError where somebody listens on it or it may not be taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(f"port {port} cannot be had ({error.strerror}): give another by {option}.") from None
    return port


def plain_environment() -> dict[str, str]:
    """What every process gets: nothing that is meant for another server or account."""
    names = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "TZ")
    return {name: os.environ[name] for name in names if name in os.environ}


def _last_lines(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return " | ".join(line.strip()[:300] for line in lines[-_TAIL_LINES:] if line.strip())
