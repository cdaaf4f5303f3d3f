"""Which GPUs a job has to itself.

A lease is a lock that the kernel keeps on a file. The job's first process inherits it, so it lasts until the supervisor
gives it back or, where the supervisor was killed, until that job is gone: never shorter, and nothing has to be cleared.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lease:
    """GPUs as CUDA names them, and the open files whose locks hold them."""

    gpus: tuple[str, ...]
    files: tuple[int, ...]

    def release(self) -> None:
        """Give them back, also for processes that inherited the files."""
        for file in self.files:
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)


def try_lease(folder: Path, gpus: Sequence[str], count: int) -> Lease | None:
    """The first `count` of `gpus` that are free, all or none. Of supervisors that ask at once only one gets a GPU."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[tuple[str, int]] = []
    for gpu in gpus:
        if len(taken) == count:
            break
        # Read only: a job inherits it, and has nothing to write there.
        file = os.open(folder / f"{gpu.replace('/', '-')}.lock", os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken.append((gpu, file))
        except OSError:
            os.close(file)
    lease = Lease(tuple(gpu for gpu, _ in taken), tuple(file for _, file in taken))
    if len(taken) == count:
        return lease
    lease.release()
    return None
