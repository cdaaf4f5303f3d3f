"""Carrying checks out at the same time, within a time that no hanging server can stretch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pawl.doctor.diagnosis import Group, Line, not_checked
from pawl.errors import PawlError
from pawl.publish.github_api import one_line


@dataclass(frozen=True)
class Check:
    """One question; `look` answers it in one or more lines, and may raise or never return."""

    group: Group
    name: str
    look: Callable[[], list[Line]]


def carry_out(checks: list[Check], seconds: float) -> list[Line]:
    """The lines of all checks, in their order; a check that fails, or is not done after `seconds`, says so itself."""
    answers: dict[int, list[Line]] = {}

    def answer(index: int, check: Check) -> None:
        try:
            answers[index] = check.look()
        except PawlError as problem:
            answers[index] = [not_checked(check.group, check.name, str(problem))]
        except Exception as problem:
            why = f"{type(problem).__name__}: {one_line(problem)}"
            answers[index] = [not_checked(check.group, check.name, why)]

    # Not a pool: at the program's end a pool waits for threads that hang, and a daemon is left behind.
    threads = [threading.Thread(target=answer, args=(index, check), daemon=True) for index, check in enumerate(checks)]
    until = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0.0))
    lines: list[Line] = []
    for index, check in enumerate(checks):
        late = [not_checked(check.group, check.name, f"no answer within {seconds:.0f} s")]
        lines += answers.get(index, late)
    return lines
