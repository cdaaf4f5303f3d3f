"""One stage's shell command as a process group of its own, with a log, its seconds and its peak memory."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_POLL_SECONDS = 0.02
_KILL_AFTER_SECONDS = 5.0
_TAIL_BYTES = 6_000


@dataclass(frozen=True)
class Finished:
    """How a command ended; `exit_code` is minus the signal's number where one ended it."""

    exit_code: int
    seconds: float
    peak_memory_bytes: int


class StoppedError(Exception):
    """The command was ended because all has to end; raised in the thread that waited for it, and heard by nobody."""


def run_command(
    commands: Sequence[Sequence[str]],
    *,
    folder: Path,
    env: Mapping[str, str],
    log: Path,
    line: Callable[[str], None],
    stop: threading.Event | None = None,
) -> Finished:
    """Run `commands` one after the other until one fails; their output goes to `log` and, as it comes, to `line`.

    An interrupt, or any error here, ends the whole process group before it is raised: first SIGINT, then SIGKILL. So
    does `stop`, which other threads may set: then StoppedError is raised.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    peak, code = 0, 0
    with log.open("wb") as sink, log.open("rb") as source:
        for command in commands:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
            try:
                code, memory = _follow(process, source, line, stop)
            except BaseException:
                _end(process)
                raise
            peak = max(peak, memory)
            if code != 0:
                break
    return Finished(code, time.monotonic() - start, peak)


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log, at most about 6 kB of it; carriage returns count as line ends."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join([part for part in text.replace("\r", "\n").split("\n") if part.strip()][-lines:])


def _follow(
    process: subprocess.Popen[bytes], source: BinaryIO, line: Callable[[str], None], stop: threading.Event | None
) -> tuple[int, int]:
    """Exit code and peak memory in bytes, passing on whole lines as they are written."""
    pending = b""
    # The kernel counts what a process was before its exec, which is pawl itself: no use for a smaller one.
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sampled = 0
    while True:
        sampled = max(sampled, _resident_peak(process.pid))
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        pending = _pass_on(pending + source.read(), line)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            _pass_on(pending + b"\n", line)
            peak = usage.ru_maxrss * 1024
            return process.returncode, peak if peak > floor else sampled
        if stop is not None and stop.is_set():
            raise StoppedError
        time.sleep(_POLL_SECONDS)


def _resident_peak(pid: int) -> int:
    """The largest peak of a living process and its children, in bytes; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return max([int(found.group(1)) * 1024 if found else 0, *(_resident_peak(int(child)) for child in children)])


def _pass_on(data: bytes, line: Callable[[str], None]) -> bytes:
    *whole, rest = data.replace(b"\r", b"\n").split(b"\n")
    for part in whole:
        if part.strip():
            line(part.decode("utf-8", errors="replace").rstrip())
    return rest


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGINT, _KILL_AFTER_SECONDS), (signal.SIGKILL, _KILL_AFTER_SECONDS)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
            # The leader is gone; whatever it left behind in its group goes too.
            os.killpg(process.pid, signal.SIGKILL)
        except subprocess.TimeoutExpired:
            continue
        except (ProcessLookupError, PermissionError):
            return
        return
