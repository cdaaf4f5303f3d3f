"""Files that the next reader has to read from disk."""

from __future__ import annotations

import errno
import gc
import mmap
import os
from collections.abc import Iterable
from pathlib import Path


def drop_pages(paths: Iterable[Path]) -> None:
    """Take the files out of the page cache, also where this process has them mapped.

    Raises SystemExit where they stay there, as on a file system in memory.
    """
    # The cache keeps pages that a process has in its tables. What is mapped and shared loses nothing by it.
    for mapped in gc.get_objects():
        if type(mapped) is mmap.mmap:
            mapped.madvise(mmap.MADV_DONTNEED)
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if _is_cached(file.fileno()):
                raise SystemExit(f"{path} stays in the page cache; set TMPDIR to a folder on a disk")


def _is_cached(descriptor: int) -> bool:
    """Whether a byte from the middle can be read without waiting for the disk."""
    try:
        return bool(os.preadv(descriptor, [bytearray(1)], os.fstat(descriptor).st_size // 2, os.RWF_NOWAIT))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EOPNOTSUPP):
            return False
        raise
