"""The real server for tests: PostgreSQL, SeaweedFS and MLflow with its three accounts. 20 to 40 s to start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pawl.server import stack as server
from pawl.server.database import start_database
from pawl.server.folder import ADMIN
from pawl.server.store import start_store
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

    def kill(self, part: str) -> None:
        """End `database`, `store` or `tracking` as a lack of memory would: all of its processes, at once."""
        running = self.running.running.pop(part)
        pids = processes_below(running.process.pid)
        for pid in pids:
            with suppress(ProcessLookupError):  # one that ends with another that was killed
                os.kill(pid, signal.SIGKILL)
        running.process.wait()
        while any(_is_alive(pid) for pid in pids):
            time.sleep(0.02)

    def start(self, part: str) -> None:
        """Start that part again at the same address, and wait until it works; nothing where it runs."""
        server = self.running
        if part in server.running:
            return
        port = server.standing
        if part == "database":
            server.running[part] = start_database(server.programs, server.folder, server.passwords, port.database_port)
        elif part == "store":
            server.running[part] = start_store(server.folder, server.passwords, port.store_port)
        else:
            server.start_tracking()

    @contextmanager
    def full_store(self) -> Iterator[None]:
        """Inside, the store takes nothing, because it wants more room to be left than its disk has."""
        command = [*map(str, cast("list[str]", self.running.running["store"].process.args)), "-volume.minFreeSpace=100"]
        self.kill("store")
        with (self.folder / "logs" / "full.log").open("wb") as log:
            full = subprocess.Popen(command, cwd=self.folder / "store", stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            full.kill()
            full.wait()
            self.start("store")


def processes_below(pid: int) -> set[int]:
    """A process and all that it has begun; PostgreSQL's lead groups of their own, so that a group is not all of it."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        children = []  # it has ended meanwhile
    return {pid}.union(*(processes_below(child) for child in children))


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


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
