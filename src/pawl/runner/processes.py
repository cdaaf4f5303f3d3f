"""Finding and ending every process that a job left behind, however far it ran from its parents."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from pawl.runner.errors import RunnerError

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
MARK = "PAWL_RUNNER_SLOT"
"""The variable in which every process of a job carries its slot's folder."""


def adopt_orphans() -> None:
    """From now on, what loses its parent below this process becomes its child (see prctl(2))."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """From now on, the kernel kills this process when the one that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def reap(main: int | None = None) -> None:
    """Take note of ended children, so that they do not stay as zombies; `main` is left to who started it."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == main:
                return
            os.waitpid(ended.si_pid, 0)


def of_job(mark: str, uid: int | None) -> set[int]:
    """The processes of one slot's job: below this process, of the slot's user, or with its mark in the environment.

    `uid` is None where jobs run as the supervisor's user. A process that lost its parents can then hide by another
    environment; one with a user of its own cannot hide.
    """
    me = os.getpid()
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = dict(line.split(":\t", 1) for line in (entry / "status").read_text().splitlines() if ":\t" in line)
            if status["State"].startswith("Z"):
                continue
            pid = int(entry.name)
            parents[pid] = int(status["PPid"])
            # Not the owner of the folder: that is root's where a process says so (PR_SET_DUMPABLE).
            if (uid is not None and str(uid) in status["Uid"].split()) or _has_mark(entry, mark):
                found.add(pid)
        except (OSError, ValueError, KeyError):
            continue  # it ended meanwhile
    below = {me}
    while grown := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= grown
    return (found | below) - {me}


def end_all(mark: str, uid: int | None, *, within_seconds: float = 20.0, main: int | None = None) -> int:
    """Kill the job's processes until there are none; how many there were. Raises RunnerError where some do not end."""
    ended: set[int] = set()
    deadline = time.monotonic() + within_seconds
    while alive := of_job(mark, uid):
        for pid in alive:  # stopped first, so that none starts another while the rest are looked for
            _signal(pid, signal.SIGSTOP)
        for pid in alive | of_job(mark, uid):
            _signal(pid, signal.SIGKILL)
            ended.add(pid)
        reap(main)
        if time.monotonic() > deadline:
            raise RunnerError(f"{len(alive)} processes of a job do not end (one is {min(alive)}): look at the machine.")
        time.sleep(0.02)
    reap(main)
    return len(ended)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _has_mark(entry: Path, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False  # another user's


def in_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group that may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
