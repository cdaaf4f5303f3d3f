"""What can go wrong between two jobs, and how long to wait after it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pawl.errors import PawlError

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 300.0
REFUSED_SECONDS = 900.0

Kind = Literal["passing", "refused"]


@dataclass(frozen=True)
class Clock:
    """Time, as the supervisor sees it."""

    wall: Callable[[], float] = time.time
    """Seconds since 1970, which may be wrong."""
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    jitter: Callable[[], float] = random.random
    """From 0 to 1, so that machines that failed together do not come back together."""


class RunnerError(PawlError):
    """Why no job could be run. "passing" may be gone by itself, "refused" needs a person."""

    def __init__(self, message: str, kind: Kind = "passing", asked_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.kind = kind
        self.asked_seconds = asked_seconds
        """How long the other side wants to be left alone."""


def pause_seconds(trouble: RunnerError, failures: int, jitter: float) -> float:
    """How long to wait after the `failures`-th failure in a row, the first is 1; `jitter` is from 0 to 1.

    Doubles from 2 s to 5 minutes; a quarter of an hour where a person has to act; never less than was asked for.

    >>> [pause_seconds(RunnerError(""), n, 1.0) for n in (1, 2, 3, 20)]
    [2.0, 4.0, 8.0, 300.0]
    """
    if trouble.kind == "refused":
        return max(REFUSED_SECONDS, trouble.asked_seconds) * (1 + jitter / 2)
    doubled = min(FIRST_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_SECONDS)
    return max(doubled * (0.5 + jitter / 2), trouble.asked_seconds + jitter if trouble.asked_seconds else 0.0)
