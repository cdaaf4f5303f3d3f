"""What Ray and Slurm have in common: a job that runs on some node and is followed by what it writes into its folder."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from tasks.common.learning.executors.node import LOCK, Ended, Order, numerical_variables
from tasks.common.learning.executors.turns import Printed
from tasks.common.learning.job_processes import SOURCE

TICK_SECONDS = 0.25
_TICKET = "ticket-"


def look_again(folder: Path) -> None:
    """Have a network file system forget what it believes to be in the folder: a change and a listing do."""
    with suppress(OSError):
        folder.chmod(folder.stat().st_mode)
        list(folder.iterdir())


class RemoteJob:
    """The side of a job on another node that is seen from here: its order, what it prints, and how it ended."""

    def __init__(self, name: str, folder: Path, root: Path) -> None:
        self.name = name
        self._folder = folder
        self._root = root
        self._log = folder / "log.txt"
        self.printed = Printed(name, self._log)
        self._first, self._read_bytes, self._rest = b"", 0, b""
        self._log.unlink(missing_ok=True)
        self._ticket = folder / f"{_TICKET}{uuid.uuid4().hex}"
        self._ticket.touch()

    def order(self) -> Order:
        """What the node is to be told."""
        return Order(
            folder=str(self._folder),
            root=str(self._root),
            source=str(SOURCE),
            ticket=self._ticket.name,
            variables=numerical_variables(),
        )

    def follow(self) -> None:
        """Pass on the lines that were written since the last call."""
        # Opened anew each time, because that is when a network file system looks again.
        with suppress(OSError), self._log.open("rb") as file:
            first = file.readline()
            if not first.endswith(b"\n"):
                return
            if first != self._first:
                # The job was started, or started again on another node.
                self._first, self._read_bytes, self._rest = first, 0, b""
            file.seek(self._read_bytes)
            new = file.read()
            self._read_bytes += len(new)
            *lines, self._rest = (self._rest + new).split(b"\n")
            for line in lines:
                self.printed.pass_on(line.decode("utf-8", errors="replace"))

    def finish(self, ended: Ended) -> str | None:
        """What went wrong by what the node answered, None where nothing did."""
        self._look_again()
        self.forget()
        if ended["code"] is None:
            return ended["problem"]
        (self._folder / LOCK).unlink(missing_ok=True)
        return self.printed.sentence(ended["code"])

    def lost(self, what: str) -> str:
        """The sentence for a job whose node gave no answer; `what` is what is known of it."""
        self._look_again()
        self.forget()
        return self.printed.with_last_lines(what) if self._log.exists() else what

    def forget(self) -> None:
        """Take the tickets away, those of earlier runs too: what waits in a queue for this job will do nothing."""
        for ticket in self._folder.glob(f"{_TICKET}*"):
            ticket.unlink(missing_ok=True)

    def _look_again(self) -> None:
        look_again(self._folder)
        self.follow()
        if self._rest:
            self.printed.pass_on(self._rest.decode("utf-8", errors="replace"))
            self._rest = b""
