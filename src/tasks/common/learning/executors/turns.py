"""Jobs that take turns wherever they run: a few at once, what each prints passed on, and all ended in the end."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from tasks.common.stage.progress import progress, say

_LAST_LINES = 3


class Printed:
    """What a job printed: each line is passed on to standard error with the job's name, and the last ones are kept."""

    def __init__(self, name: str, log: Path) -> None:
        self._name = name
        self._log = log
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    def pass_on(self, line: str) -> None:
        """One line, with or without its end."""
        if line.strip():
            self._last.append(line.strip())
            say(f"{self._name}: {line.rstrip()}")

    def sentence(self, code: int) -> str | None:
        """What went wrong by the process's exit code, negative for a signal; None where nothing did."""
        if code == 0:
            return None
        last = self._last[-1] if self._last else ""
        if last.startswith("error: "):
            return last.removeprefix("error: ")
        return self.with_last_lines(
            f"ended with exit code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        )

    def with_last_lines(self, what: str) -> str:
        """The clause, followed by the job's last lines and by where the others are."""
        lines = f", its last lines: {' | '.join(self._last)}" if self._last else ""
        return f"{what}{lines}; all it printed is in {self._log}"


class Running(Protocol):
    """A job that was started."""

    name: str

    def is_over(self) -> bool:
        """Whether it has ended; passes on what it printed meanwhile."""

    def error(self) -> str | None:
        """What went wrong in a sentence, None where nothing did; for a job that is over."""


R = TypeVar("R", bound=Running)


def take_turns(
    names: Sequence[str],
    start: Callable[[str, int], R],
    end: Callable[[Sequence[R]], None],
    *,
    workers: int,
    label: str,
    stop_at_failure: bool,
    tick_seconds: float,
) -> dict[str, str]:
    """Start each job, `workers` at once; name to what failed.

    start: is given the job's name and the number, below `workers`, of the place that it takes. end: is given the jobs
    that are not over when this function ends, for whatever reason.
    """
    waiting = deque(names)
    running: dict[int, R] = {}
    errors: dict[str, str] = {}
    with terminated_like_interrupted(), progress(label, len(names), "job") as advance:
        try:
            while waiting or running:
                for slot in range(workers):
                    if waiting and slot not in running:
                        # A job that was started and not noted would be nobody's to end.
                        with _uninterrupted():
                            running[slot] = start(waiting.popleft(), slot)
                for slot, job in list(running.items()):
                    if job.is_over():
                        del running[slot]
                        error = job.error()
                        if error:
                            errors[job.name] = error
                        advance(f"{job.name} {'failed' if error else 'done'}")
                if errors and stop_at_failure:
                    break
                time.sleep(tick_seconds)
        finally:
            end(list(running.values()))
    return errors


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Within the block, SIGTERM ends the process by an exception too, so that what it started is ended with it."""

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    with _handled_by(leave, signal.SIGTERM):
        yield


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block is over."""
    came: list[int] = []

    def remember(number: int, frame: object) -> None:
        came.append(number)

    with _handled_by(remember, signal.SIGINT, signal.SIGTERM):
        yield
    if came:
        signal.raise_signal(came[0])


@contextmanager
def _handled_by(handler: Callable[[int, object], None], *numbers: signal.Signals) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's.
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)
