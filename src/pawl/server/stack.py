"""The whole server: its three processes started in order, watched, and stopped in the other order."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pawl.server.database import PostgreSQL, find_postgresql, start_database
from pawl.server.folder import Folder, Passwords, Standing
from pawl.server.processes import Running, free_ports, require_free
from pawl.server.store import find_weed, start_store
from pawl.server.tracking import require_parts, start_tracking

_LOOK_SECONDS = 0.5


@dataclass
class Stack:
    """What runs in a folder, and how it is reached."""

    folder: Folder
    passwords: Passwords
    programs: PostgreSQL
    standing: Standing
    hosts: Sequence[str] = ()
    workers: int = 2
    running: dict[str, Running] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """MLflow's address."""
        return self.standing.uri

    def start_data(self) -> None:
        """PostgreSQL and the store. Raises ServiceError."""
        self.running["database"] = start_database(
            self.programs, self.folder, self.passwords, self.standing.database_port
        )
        self.running["store"] = start_store(self.folder, self.passwords, self.standing.store_port)

    def start_tracking(self) -> None:
        """MLflow, for which the other two have to run. Raises ServiceError."""
        self.running["tracking"] = start_tracking(self.folder, self.passwords, self.standing, self.hosts, self.workers)

    def watch(self) -> None:
        """Come back never: raises ServiceError as soon as one has ended."""
        while True:
            for running in self.running.values():
                running.raise_if_ended()
            time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """End all, the last to start first."""
        while self.running:
            self.running.popitem()[1].stop()


@contextmanager
def stack_in(
    path: Path, *, port: int | None = None, hosts: Sequence[str] = (), workers: int = 2, with_tracking: bool = True
) -> Iterator[Stack]:
    """The server of a folder, ready for requests inside; nothing of it runs afterwards.

    `port` is MLflow's, None for a free one. Without tracking only the database and the store run, for backups.
    Raises InputError where something is missing on the machine or the folder is in use, ServiceError where a part
    does not start.
    """
    require_parts()
    find_weed()
    folder = Folder(path)
    programs = find_postgresql(folder.database)
    folder.make()
    with folder.held():
        passwords = folder.passwords()
        database_port, store_port, free = free_ports(3)
        tracking_port = require_free(port, "--port") if port else free
        standing = Standing(
            pid=os.getpid(), database_port=database_port, store_port=store_port, tracking_port=tracking_port
        )
        stack = Stack(folder, passwords, programs, standing, hosts, workers)
        try:
            stack.start_data()
            if with_tracking:
                stack.start_tracking()
            folder.announce(standing)
            yield stack
        finally:
            folder.withdraw()
            stack.stop()
