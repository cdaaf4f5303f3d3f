"""Processes that a stage leaves behind: they must not see what later steps of the job are told."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_WAIT_SECONDS = 5.0


@contextmanager
def no_orphans() -> Iterator[None]:
    """End, when leaving, every process that descends from one started inside, whatever session it went into.

    What loses its parent becomes a child of this process (Linux; elsewhere nothing is done). Nothing else that this
    process started may still be running by then.
    """
    before = set(_children())
    try:
        adopts = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        adopts = False
    try:
        yield
    finally:
        if adopts:
            _end_all(before)


def _children() -> list[int]:
    """The processes whose parent is this one."""
    own, found = str(os.getpid()), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            # "pid (name) state parent ...": the name may hold anything, parentheses too.
            if stat.read_text(errors="replace").rpartition(")")[2].split()[1] == own:
                found.append(int(stat.parent.name))
    return found


def _end_all(spared: set[int]) -> None:
    """A killed child's own children become ours, so it goes on until there are none."""
    end = time.monotonic() + _WAIT_SECONDS
    while (left := set(_children()) - spared) and time.monotonic() < end:
        for child in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        for child in left:
            with suppress(ChildProcessError):
                os.waitpid(child, 0)
