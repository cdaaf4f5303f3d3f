"""Writing a set of files so that a reader sees all of the old or all of the new, never a half."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pawl.errors import InputError


def write_beside(path: Path, content: bytes, mode: int = 0o644) -> Path:
    """`content` in a new temporary file in the folder of `path`; nothing stays behind on an error."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(mode)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


def write_together(contents: Mapping[Path, bytes]) -> list[Path]:
    """Write all files, replacing old ones only once every new one is complete on the disk.

    Raises InputError, with the old files as they were and no temporary file left, where one cannot be written.
    """
    waiting: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting[path] = write_beside(path, content)
        for path in contents:
            waiting[path].replace(path)
            del waiting[path]
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({(error.strerror or str(error)).lower()}): "
            "free space there or make it writable, then run `pawl report` again."
        ) from error
    finally:
        for temporary in waiting.values():
            with suppress(OSError):
                temporary.unlink()
    return list(contents)
