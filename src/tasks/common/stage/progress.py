"""Progress on standard error: a bar on a terminal, now and then a plain line in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 5.0

Advance = Callable[[str], None]


def say(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@contextmanager
def progress(label: str, total: int, unit: str) -> Iterator[Advance]:
    """A function to call once for each of `total` units done, with a note to show beside it.

    >>> with progress("train digits", 20, "epoch") as advance:  # doctest: +SKIP
    ...     advance("val/loss 0.31")
    """
    if sys.stderr.isatty():
        yield from _bar(label, total, unit)
    else:
        yield from _lines(label, total, unit)


def _lines(label: str, total: int, unit: str) -> Iterator[Advance]:
    done = 0
    last_seconds = time.monotonic()

    def advance(note: str) -> None:
        nonlocal done, last_seconds
        done += 1
        now_seconds = time.monotonic()
        if done in (1, total) or now_seconds - last_seconds >= SECONDS_BETWEEN_LINES:
            last_seconds = now_seconds
            say(f"{label}: {unit} {done} of {total}  {note}".rstrip())

    yield advance


def _bar(label: str, total: int, unit: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        row = bar.add_task(label, total=total, note="")
        yield lambda note: bar.update(row, advance=1, note=note)
