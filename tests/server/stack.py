"""The real server for tests: PostgreSQL, SeaweedFS and MLflow with its three accounts. 20 to 40 s to start."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pawl.server import stack as server
from pawl.server.folder import ADMIN
from pawl.server.users import MAIN, PULL_REQUESTS, make_users

REPOSITORY = "acme/ct"


@dataclass(frozen=True)
class Credentials:
    """An account of the server."""

    name: str
    password: str

    @property
    def env(self) -> dict[str, str]:
        """How MLflow's client is told."""
        return {"MLFLOW_TRACKING_USERNAME": self.name, "MLFLOW_TRACKING_PASSWORD": self.password}

    @property
    def pair(self) -> tuple[str, str]:
        """How requests is told."""
        return self.name, self.password


@dataclass(frozen=True)
class Stack:
    """A server that runs."""

    uri: str
    admin: Credentials
    main: Credentials
    pull_requests: Credentials
    folder: Path
    running: server.Stack

    def kill_tracking(self) -> None:
        """End MLflow as a crash would."""
        import signal

        mlflow = self.running.running.pop("tracking")
        os.killpg(mlflow.process.pid, signal.SIGKILL)
        mlflow.process.wait()

    def start_tracking(self) -> None:
        """Start it again at the same address."""
        self.running.start_tracking()


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can get to, which pytest's own folders are closed to."""
    folder = Path(tempfile.mkdtemp(prefix="pawl-server-"))
    folder.chmod(0o711)
    try:
        yield folder / "server"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_stack(folder: Path | None = None, repository: str = REPOSITORY) -> Iterator[Stack]:
    """A server with the accounts and experiments of that repository; in a folder of its own where none is given."""
    if folder is None:
        with server_folder() as made, open_stack(made, repository) as stack:
            yield stack
        return
    with server.stack_in(folder, workers=1) as running:
        make_users(running.folder, running.uri, repository)
        users = running.folder.passwords().users
        admin, main, pull_requests = (Credentials(name, users[name]) for name in (ADMIN, MAIN, PULL_REQUESTS))
        yield Stack(running.uri, admin, main, pull_requests, folder, running)


def processes_of(folder: Path) -> list[str]:
    """Command lines of every process that knows of the folder, by its arguments or its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in told:
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200])
    return found
