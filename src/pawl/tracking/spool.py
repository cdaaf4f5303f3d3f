"""The spool: an append-only file below `.pawl/spool/` that holds what MLflow is to be told, until it has been told.

Whoever writes it holds its lock for as long as it lives, so that others see when it is gone, however it went.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from pawl.tracking.events import Artifact, Begun, Ended, Event, line_of, parse

EVENTS, OWNER, FILES = "events.jsonl", "owner", "files"
_MOST_WAITING_BYTES = 64_000_000
_KEEP_SECONDS = 14 * 86_400
_READ_BYTES = 1_000_000
_TRIES, _PAUSE_SECONDS = 50, 0.02


class Spool:
    """One spool's writing end; every method may be called from any thread, and none raises for want of a disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = 0
        """Events that found no room, neither on the disk nor in memory."""
        self._lock = Lock()
        self._waiting: list[bytes] = []
        self._owner: int | None = None
        self._events: int | None = None
        self._open()

    def add(self, *events: Event) -> None:
        """Append the events. While the disk takes nothing they wait in memory, at most 64 MB of them."""
        with self._lock:
            self._waiting += [line_of(event) for event in events]
            self._write()

    def put_file(self, name: str, content: bytes) -> Path | None:
        """Keep a file in the spool, for an artifact; its place, or None where it cannot be kept."""
        path = self.folder / FILES / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:
            return None
        return path

    def close(self) -> None:
        """Write what waits, and let go: whoever looks sees that nobody writes here now."""
        with self._lock:
            self._write()
            for descriptor in (self._events, self._owner):
                if descriptor is not None:
                    os.close(descriptor)
            self._events = self._owner = None

    def _open(self) -> None:
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            for _ in range(_TRIES):  # somebody may just be looking whether we are there
                self._owner = self._owner or _locked(self.folder / OWNER)
                if self._owner is not None:
                    break
                time.sleep(_PAUSE_SECONDS)
            self._events = os.open(self.folder / EVENTS, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)
            _mend(self._events)

    def _write(self) -> None:
        if self._events is None:
            self._open()
        data = b"".join(self._waiting)
        try:
            if self._events is None:
                raise OSError
            before = os.fstat(self._events).st_size
            try:
                if os.write(self._events, data) < len(data):
                    raise OSError  # no room for all of it
            except OSError:
                os.ftruncate(self._events, before)  # a half line would spoil the next
                raise
            self._waiting.clear()
        except OSError:
            size = len(data)
            while self._waiting and size > _MOST_WAITING_BYTES:
                size -= len(self._waiting.pop())
                self.lost += 1


def _locked(path: Path) -> int | None:
    """An open file with a lock that ends with this process; None where another has it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _mend(descriptor: int) -> None:
    """End a last line that was torn, so that the next begins on its own."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody else is in a block with the same lock file; True holds it until the block's end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path)
    except OSError:
        descriptor = None
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def by_turns(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock file as soon as nobody else does; after that many seconds of waiting, go on without it."""
    end = time.monotonic() + seconds
    while True:
        with alone(path) as mine:
            if mine or time.monotonic() > end:
                yield
                return
        time.sleep(_PAUSE_SECONDS)


def spool_root(state_folder: Path) -> Path:
    """Where the spools of a checkout are."""
    return state_folder / "spool"


def new_spool(root: Path, commit: str) -> Path:
    """The folder of a new spool, not made yet: named by the time, so that they sort, and by head's commit."""
    now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return root / f"{now}-{commit[:10]}-{secrets.token_hex(4)}"


def spools(root: Path) -> list[Path]:
    """All spools, oldest first."""
    return sorted(path for path in root.iterdir() if (path / EVENTS).is_file()) if root.is_dir() else []


def read_from(folder: Path, offset: int) -> tuple[list[tuple[Event, int]], int]:
    """Events after `offset` bytes, at most about a megabyte of them, and the offset of the end of their lines."""
    with (folder / EVENTS).open("rb") as stream:
        stream.seek(offset)
        data = stream.read(_READ_BYTES)
        while data and b"\n" not in data and (more := stream.read(_READ_BYTES)):
            data += more
    found, length = parse(data)
    return [(event, offset + end) for event, end in found], offset + length


def event_at(folder: Path, offset: int) -> Event | None:
    """The event that begins there; None where none does."""
    found, _ = read_from(folder, offset)
    return found[0][0] if found else None


def events_of(folder: Path) -> Iterator[Event]:
    """Every event of a spool."""
    offset = 0
    while True:
        found, end = read_from(folder, offset)
        yield from (event for event, _ in found)
        if end == offset:
            return
        offset = end


def size_of(folder: Path) -> int:
    """Bytes of its events."""
    with suppress(OSError):
        return (folder / EVENTS).stat().st_size
    return 0


def open_runs(events: Iterable[Event]) -> dict[str, Begun]:
    """The runs that have begun and not ended."""
    found: dict[str, Begun] = {}
    for event in events:
        if isinstance(event, Begun):
            found[event.run] = event
        elif isinstance(event, Ended):
            found.pop(event.run, None)
    return found


def end_abandoned(folder: Path) -> bool:
    """Where whoever wrote the spool is gone, end what it left open as killed; whether it is gone."""
    with alone(folder / OWNER) as gone:
        if not gone:
            return False
        left = open_runs(events_of(folder))
        if left:
            now = int(time.time() * 1_000)
            data = b"".join(line_of(Ended(run=run, status="KILLED", at_ms=now)) for run in left)
            with suppress(OSError):
                descriptor = os.open(folder / EVENTS, os.O_RDWR | os.O_APPEND)
                try:
                    _mend(descriptor)
                    os.write(descriptor, data)
                finally:
                    os.close(descriptor)
        return True


def copy_spool(folder: Path, target: Path, megabytes: float) -> None:
    """Copy a spool to where it is handed over from, with its artifacts as far as they go into `megabytes`."""
    (target / FILES).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / EVENTS, target / EVENTS)
    left = megabytes * 1_000_000
    for event in events_of(folder):
        if isinstance(event, Artifact):
            source, copy = folder / event.path, target / FILES / event.sha256
            with suppress(OSError):
                size = source.stat().st_size
                if not copy.exists() and size <= left:
                    left -= size
                    shutil.copyfile(source, copy)


def artifact_file(folder: Path, event: Artifact) -> Path | None:
    """The artifact's file, if it still is what it was."""
    for path in (folder / FILES / event.sha256, folder / event.path):
        with suppress(OSError):
            if digest_of(path) == event.sha256:
                return path
    return None


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def forget_old(root: Path, delivered: Iterable[Path]) -> None:
    """Remove delivered spools that are older than two weeks: MLflow has what they hold."""
    for folder in delivered:
        with suppress(OSError):
            if folder.parent == root and time.time() - (folder / EVENTS).stat().st_mtime > _KEEP_SECONDS:
                shutil.rmtree(folder)
