"""A backup as a file: a tar of the database's dump and every artifact, and last what all of it has to be."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pawl.errors import InputError

DUMP, OBJECTS, CONTENTS = "database.dump", "objects/", "contents.json"
_CHUNK_BYTES, _MOST_CONTENTS_BYTES = 1 << 20, 1 << 30


class Entry(BaseModel):
    """One file of the archive."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class Contents(BaseModel):
    """What an archive holds; written last, so that one which was cut short has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int = Field(ge=1, le=1)
    postgresql: int = Field(ge=1)
    runs: int = Field(ge=0)
    models: int = Field(ge=0)
    users: int = Field(ge=0)
    files: dict[str, Entry]

    def in_words(self, what: str) -> str:
        """One line about it."""
        artifacts = [entry.size for name, entry in self.files.items() if name.startswith(OBJECTS)]
        return (
            f"{what}: {self.runs} runs, {self.models} registered models, {self.users} users, "
            f"{len(artifacts)} artifacts of {sum(artifacts)} bytes."
        )


class Writer:
    """Adds one file after another, and remembers their digests."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, Entry] = {}

    def add(self, name: str, size: int, stream: IO[bytes]) -> None:
        """A file of that size; what the stream has beyond it is left."""
        digest = hashlib.sha256()
        self._tar.addfile(_header(name, size), _Listening(stream, digest.update))
        self.files[name] = Entry(sha256=digest.hexdigest(), size=size)


@contextmanager
def writing(file: Path) -> Iterator[tuple[Writer, Callable[[Contents], None]]]:
    """A new archive, which appears under its name only when its contents were written. For its owner's eyes only."""
    waiting = file.with_name(f".{file.name}.partial")
    try:
        handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror}): name another file.") from None
    try:
        with os.fdopen(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:

            def finish(contents: Contents) -> None:
                text = contents.model_dump_json().encode()
                tar.addfile(_header(CONTENTS, len(text)), io.BytesIO(text))

            yield Writer(tar), finish
            stream.flush()
        with waiting.open("rb") as written:
            os.fsync(written.fileno())
        waiting.replace(file)
    finally:
        waiting.unlink(missing_ok=True)


def read_contents(file: Path) -> Contents:
    """What the archive holds, after every byte of it was looked at. Raises InputError where one is not as written."""
    found: dict[str, Entry] = {}
    contents = None
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None or contents is not None or member.name in found:
                    raise InputError(f"{file} holds {member.name!r}, which no backup does: take another.")
                if member.name == CONTENTS:
                    contents = Contents.model_validate_json(stream.read(_MOST_CONTENTS_BYTES))
                    continue
                digest = hashlib.sha256()
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
                found[member.name] = Entry(sha256=digest.hexdigest(), size=member.size)
    except OSError as error:
        if isinstance(error, tarfile.TarError):
            raise _unusable(file) from None
        raise InputError(f"{file} cannot be read ({error.strerror or error}): name a backup.") from None
    except (tarfile.TarError, ValidationError):
        raise _unusable(file) from None
    if contents is None or contents.files != found or DUMP not in found:
        raise _unusable(file)
    return contents


def objects_in(file: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every artifact of an archive that was looked at: its key in the store, and its bytes."""
    with tarfile.open(file, "r:") as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if stream is not None and member.name.startswith(OBJECTS):
                yield member.name.removeprefix(OBJECTS), stream


def take_dump(file: Path, target: Path) -> None:
    """The database's dump out of an archive that was looked at."""
    with tarfile.open(file, "r:") as tar, target.open("wb") as out:
        stream = tar.extractfile(DUMP)
        while stream is not None and (chunk := stream.read(_CHUNK_BYTES)):
            out.write(chunk)


def _unusable(file: Path) -> InputError:
    return InputError(f"{file} is not a whole backup (cut short, changed, or something else): take another.")


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


class _Listening:
    """A stream that tells somebody what is read from it."""

    def __init__(self, stream: IO[bytes], listener: Callable[[bytes], Any]) -> None:
        self._stream = stream
        self._listener = listener

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._listener(chunk)
        return chunk
