"""Whether and when to ask GitHub again."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pawl.waiting import patience_seconds
from pawl.waiting import request_seconds as seconds_of_a_request

LONGEST_BACKOFF_SECONDS = 30.0
SECONDARY_LIMIT_SECONDS = 60.0


@dataclass(frozen=True)
class Patience:
    """How long to go on, and the clock to do it by."""

    tries: int = 6
    """Of one request, the first included."""
    total_wait_seconds: float = field(default_factory=patience_seconds)
    """Of all waits, and all requests in vain, for one thing that is to be written."""
    request_seconds: float = field(default_factory=seconds_of_a_request)
    """Until a request without an answer, or with one that does not end, is given up."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random
    """From 0 to 1, so that runners that failed together do not come back together."""


@dataclass(frozen=True)
class Failure:
    """A request without a usable answer."""

    status: int | None
    """None: no answer at all, or half of one, so that nobody knows whether the request had its effect."""
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @property
    def is_rate_limit(self) -> bool:
        """Whether GitHub only asks for time. It says so with 403 as well as 429, so the status does not tell."""
        if self.status not in (403, 429):
            return False
        if self.status == 429 or "retry-after" in self.headers or "rate limit" in self.message.lower():
            return True
        return self.headers.get("x-ratelimit-remaining") == "0" and "not accessible" not in self.message

    @property
    def may_pass(self) -> bool:
        """Whether the same request can succeed later."""
        return self.status is None or self.status >= 500 or self.status == 408 or self.is_rate_limit


def wait_seconds(failure: Failure, failures: int, now: float, jitter: float) -> float:
    """How long to wait after the `failures`-th failure in a row, at the time `now`; `jitter` is from 0 to 1.

    As GitHub asks: `Retry-After` first; a spent quota until `x-ratelimit-reset`; a secondary limit without either, a
    minute and then doubling. Everything else doubles from a second.
    See https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    backoff = min(2.0 ** min(failures - 1, 10), LONGEST_BACKOFF_SECONDS) * (0.5 + jitter / 2)
    asked = _whole(failure.headers.get("retry-after"))
    if asked is not None:
        return max(asked + jitter, backoff)
    if not failure.is_rate_limit:
        return backoff
    reset = _whole(failure.headers.get("x-ratelimit-reset"))
    if failure.headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return max(reset - now + 1.0 + jitter, backoff)
    return SECONDARY_LIMIT_SECONDS * 2.0 ** min(failures - 1, 10) + jitter


def _whole(text: str | None) -> float | None:
    """A header's whole number of seconds; None for anything else, such as a date."""
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,12}", text.strip()) else None
