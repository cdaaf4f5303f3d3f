"""`python -m pawl.tracking.deliver SPOOL [OLDER...]`: a process of its own that puts spools into MLflow.

It follows the first while that is written, and then sees to the others. The server is MLFLOW_TRACKING_URI. Exit codes:
0 all is delivered, 4 not all is; the cursors say why.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.errors import EXIT_SERVICE
from pawl.tracking.cursor import Cursor, CursorFile, cursor_of
from pawl.tracking.events import Closed
from pawl.tracking.server import client_for, without_secrets
from pawl.tracking.spool import OWNER, alone, end_abandoned, forget_old, read_from, size_of
from pawl.waiting import patience_seconds

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pawl.tracking.delivery import Delivery

ARCHIVE_VARIABLE = "PAWL_ARCHIVE_AFTER_DAYS"
_IDLE_SECONDS = 0.2
_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 0.3, 10.0
_NICENESS = 10
_FIRST_AT_ONCE, _MOST_AT_ONCE = 4, 50
"""Events after which what is confirmed is written down: whoever waits for a slow server sees by it that it gets on."""
_SOON_SECONDS = 1.0
_MOST_REWINDS = 3


def deliver(folders: Sequence[Path], uri: str) -> bool:
    """Deliver the spools to the server, the first for as long as it is written; whether all of it is there."""
    # Trying again is done here, after a look at what the try before has done: MLflow's own would make a run twice.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    client = client_for(uri)
    fine = _deliver_one(client, uri, folders[0], live=True)
    for folder in folders[1:] if fine else ():
        fine = end_abandoned(folder) and _deliver_one(client, uri, folder, live=False) and fine
    if fine:
        with suppress(Exception):
            _archive(client, cursor_of(folders[0], uri).value)
        forget_old(folders[0].parent, [folder for folder in folders[1:] if is_delivered(folder, uri)])
    return fine


def is_delivered(folder: Path, uri: str) -> bool:
    """Whether that server has all of that spool."""
    return cursor_of(folder, uri).value.offset >= size_of(folder)


def _deliver_one(client: MlflowClient, uri: str, folder: Path, *, live: bool) -> bool:
    from pawl.tracking.delivery import Delivery
    from pawl.tracking.finding import RefusedError

    while True:
        with alone(folder / f"{cursor_of(folder, uri).path.stem}.lock") as mine:
            if mine:
                cursor = cursor_of(folder, uri)
                delivery = Delivery(client, uri, folder, cursor)
                try:
                    return _follow(delivery, cursor, live=live)
                except RefusedError as error:
                    cursor.set(state="refused", reason=_said(error, uri))
                    return False
        time.sleep(_IDLE_SECONDS)  # another process delivers it: what that leaves is for us


def _follow(delivery: Delivery, cursor: CursorFile, *, live: bool) -> bool:
    """Send what comes until nobody writes any more; False where patience ended first."""
    from pawl.tracking.finding import RefusedError, is_final
    from pawl.tracking.kept import NotKeptError

    folder, checked, closed = delivery.spool, False, False
    moved = time.monotonic()
    pause, at_once = _FIRST_PAUSE_SECONDS, _FIRST_AT_ONCE
    cursor.set(state="delivering", tries=0, reason="")
    while True:
        try:
            if not checked:
                delivery.check_experiments()
                checked = True
            begin = cursor.value.sent
            found, end = read_from(folder, begin)
            if end == begin:
                if cursor.value.held:
                    delivery.send_held()
                    moved = time.monotonic()
                    continue
                if not live or closed or end_abandoned(folder):
                    if size_of(folder) == end:
                        return True
                    continue
                time.sleep(_IDLE_SECONDS)
                moved = time.monotonic()
                continue
            starts = [begin, *(place for _, place in found)]
            events = list(zip((event for event, _ in found), starts, strict=False))
            first = 0
            while cursor.value.sent < end:
                begun, part = time.monotonic(), events[first : first + at_once]
                held = delivery.apply(part)
                first += at_once
                now = {"sent": starts[first] if first < len(found) else end, "held": (*cursor.value.held, *held)}
                cursor.set(**now, state="delivering", tries=0, reason="")
                moved, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
                at_once = min(2 * at_once, _MOST_AT_ONCE) if moved - begun < _SOON_SECONDS else max(1, at_once // 2)
            closed = any(isinstance(event, Closed) for event, _ in found[-1:])
        except NotKeptError as error:
            if cursor.value.rewound >= _MOST_REWINDS:
                raise RefusedError(str(error)) from error
            cursor.set(sent=0, held=(), rewound=cursor.value.rewound + 1, reason=str(error))
        except RefusedError:
            raise
        except Exception as error:
            if is_final(error):
                raise RefusedError(_said(error, delivery.uri)) from error
            cursor.set(state="failing", tries=cursor.value.tries + 1, reason=_said(error, delivery.uri))
            delivery.forget_waiting()
            at_once = max(1, at_once // 2)
            waited_for = live and not _is_written(folder)
            if (waited_for or not live) and time.monotonic() - moved > patience_seconds():
                return False
            time.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)


def _is_written(folder: Path) -> bool:
    """Whether whoever writes it is still there."""
    with alone(folder / OWNER) as gone:
        return not gone


def _said(error: BaseException, uri: str) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(uri, without_secrets(uri))[:500].rstrip(".")


def _archive(client: MlflowClient, cursor: Cursor) -> None:
    from pawl.tracking.finding import archive

    days = os.environ.get(ARCHIVE_VARIABLE, "")
    if days.isdigit():
        now = datetime.now(UTC)
        before = int((now - timedelta(days=int(days))).timestamp() * 1_000)
        for experiment in cursor.experiments.values():
            archive(client, experiment, before, now.date().isoformat())


def main(arguments: Sequence[str]) -> int:
    """Deliver what is named; the exit code."""
    os.nice(_NICENESS)
    return 0 if deliver([Path(one) for one in arguments], os.environ["MLFLOW_TRACKING_URI"]) else EXIT_SERVICE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
