"""Copying many files whose names nobody has vouched for, in parallel, each read once for copy and digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tasks.common.stage.errors import TaskError
from tasks.common.stage.progress import progress

CHUNK_BYTES = 1 << 20
MAX_NAME_BYTES = 255
N_THREADS = min(16, 2 * (os.cpu_count() or 1))
"""Twice the cores, because half the time is waiting for a disk or a remote."""

Open = Callable[[], BinaryIO]


def copy_all(files: Mapping[str, Open], folder: Path, label: str, algorithms: Sequence[str]) -> dict[str, list[str]]:
    """Write each file under its relative name into `folder`; the digests of each, by name.

    files: relative names with `/` to functions that open the original. algorithms: such as `sha256`.
    The copies are files of their own and never links: DVC makes what it caches read-only, and a later change of the
    original must not reach it. Raises TaskError for a name that leads out of the folder, before anything is written.
    """
    for name in files:
        check_name(name, label)
    for parent in {(folder / name).parent for name in files}:
        parent.mkdir(parents=True, exist_ok=True)
    with progress(label, len(files), "file") as advance, ThreadPoolExecutor(N_THREADS) as pool:
        waiting = {name: pool.submit(_copy, open_file, folder / name, algorithms) for name, open_file in files.items()}
        digests = {}
        try:
            for name, future in waiting.items():
                digests[name] = future.result()
                advance("")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return digests


def check_name(name: str, where: str) -> None:
    """Raise TaskError for a relative name that leads out of its folder, or that not every system can write."""
    parts = name.split("/")
    try:
        too_long = any(len(part.encode("utf-8")) > MAX_NAME_BYTES for part in parts)
    except UnicodeEncodeError:
        raise TaskError(f"{where}: the name {name!a} is not UTF-8; rename the file.") from None
    if (
        too_long
        or not name.isprintable()
        or "\\" in name
        or PurePosixPath(name).is_absolute()
        or any(part in ("", ".", "..") for part in parts)
    ):
        shown = name if len(name) <= 80 else name[:77] + "..."
        raise TaskError(f"{where}: {shown!a} is no name for a file in a folder; rename the file.")


def _copy(open_file: Open, path: Path, algorithms: Sequence[str]) -> list[str]:
    digests = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
    with open_file() as original, path.open("xb") as copy:
        while chunk := original.read(CHUNK_BYTES):
            copy.write(chunk)
            for digest in digests:
                digest.update(chunk)
    return [digest.hexdigest() for digest in digests]
