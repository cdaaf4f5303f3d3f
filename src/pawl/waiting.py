"""How long a service is waited for, so that one which never answers costs minutes and not the job's whole time."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import NoReturn, TypeVar

from pawl.errors import InputError, ServiceError

PATIENCE_VARIABLE = "PAWL_PATIENCE_SECONDS"
DEFAULT_PATIENCE_SECONDS = 300.0
MAX_PATIENCE_SECONDS = 3_600.0
LEAST_REQUEST_SECONDS, MOST_REQUEST_SECONDS = 2.0, 30.0
_LEFT_BEHIND = "left behind"
_Result = TypeVar("_Result")


def patience_seconds(env: Mapping[str, str] | None = None) -> float:
    """How long a service may keep a command waiting in all: PAWL_PATIENCE_SECONDS, 1 to 3,600, else 300.

    >>> patience_seconds({}), patience_seconds({"PAWL_PATIENCE_SECONDS": "20"})
    (300.0, 20.0)
    """
    given = (os.environ if env is None else env).get(PATIENCE_VARIABLE, "").strip()
    if not given:
        return DEFAULT_PATIENCE_SECONDS
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", given) or not 1 <= float(given) <= MAX_PATIENCE_SECONDS:
        raise InputError(f"{PATIENCE_VARIABLE} is {given[:100]!r}: set it to 1 to 3600 seconds, or leave it out.")
    return float(given)


def request_seconds(env: Mapping[str, str] | None = None) -> float:
    """How long one request may go without an answer, so that there is patience left for others: a tenth, 2 to 30.

    >>> request_seconds({}), request_seconds({"PAWL_PATIENCE_SECONDS": "6"})
    (30.0, 2.0)
    """
    patience = patience_seconds(env)
    return min(max(patience / 10, LEAST_REQUEST_SECONDS), MOST_REQUEST_SECONDS, patience)


def patiently(call: Callable[[], _Result]) -> _Result:
    """What `call` returns, tried again while a service fails it, for a third of the patience; then its ServiceError."""
    end = time.monotonic() + patience_seconds() / 3
    for pause in (min(2.0**n, 10.0) for n in count()):
        try:
            return call()
        except ServiceError:
            if time.monotonic() + pause > end:
                raise
        time.sleep(pause)
    raise AssertionError("never reached")


def within(seconds: float, call: Callable[[], _Result], progress: Callable[[], object] = lambda: None) -> _Result:
    """What `call` returns or raises; TimeoutError where it has not ended in time.

    With `progress`, the time begins anew whenever that has changed by its end, as while a large file comes. Time limits
    of clients are for the wait between two bytes, so that an answer which trickles has none, and their retries can be
    nested. The call is left behind in a thread of its own: it must not matter whether it ends. See `end_process`.
    """
    outcome: Future[_Result] = Future()

    def carry_out() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    before = progress()
    threading.Thread(target=carry_out, daemon=True, name=_LEFT_BEHIND).start()
    while True:
        try:
            return outcome.result(seconds)
        except TimeoutError:
            if outcome.done():  # the call's own
                raise
        now = progress()
        if now == before:
            raise TimeoutError(f"no answer within {seconds:.0f} s")
        before = now


def bytes_in(folder: str) -> int:
    """How many bytes the files below a folder have together, half-written ones too."""
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116 - there may be many
    return found


def end_process(code: int) -> NoReturn:
    """End with that exit code, without waiting for what `within` left behind and the workers that it has."""
    if any(thread.name == _LEFT_BEHIND for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def limit_requests(protocol: str) -> None:
    """Give requests to Google's storage a time limit from byte to byte in place of five minutes for a whole file.

    Without it a server that accepts and says nothing is waited for five minutes, and a model that takes longer than
    that to come is given up. Other protocols have such limits of their own. See `requests_timeout` of gcsfs.
    """
    if protocol not in ("gs", "gcs"):
        return
    try:
        import aiohttp
        import fsspec.config  # type: ignore[import-untyped]
    except ImportError:
        return  # DVC says what has to be installed
    seconds = request_seconds()
    limit = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
    for name in ("gs", "gcs"):
        fsspec.config.conf.setdefault(name, {}).setdefault("requests_timeout", limit)
