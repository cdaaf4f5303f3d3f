"""Several pieces of work by turns on one thread: each goes on until it has to wait for a command or for another.

DVC's objects are not made for threads, so all that touches them stays on this one; only commands run beside it. Not
asyncio: there the first Ctrl-C is not heard before DVC's present call is over, which may be a long download.
"""

from __future__ import annotations

import signal
import threading
import types
from collections.abc import Coroutine, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeVar

_T = TypeVar("_T")
Work = Coroutine["Future[Any]", None, None]


@types.coroutine
def result_of(future: Future[_T]) -> Generator[Future[Any], None, _T]:
    """`await result_of(future)`: let others go on until the future has its result, or raises what it has to raise."""
    if not future.done():
        yield future
    return future.result()


def take_turns(works: Sequence[Work], *, at_once: int | None = None) -> None:
    """Run all to their ends, at most `at_once` begun and not ended; they are begun in the order given.

    Where one raises, or the user interrupts, each of the others is closed at the place where it waits (it sees
    GeneratorExit there, and may not wait again), and that is raised.
    """
    to_begin = iter(works)
    unfinished = list(works)
    ready: SimpleQueue[Work] = SimpleQueue()
    for work in islice(to_begin, at_once):
        ready.put(work)
    try:
        while unfinished:
            work = ready.get()
            try:
                future = work.send(None)
            except StopIteration:
                unfinished.remove(work)
                for following in islice(to_begin, 1):
                    ready.put(following)
            else:
                future.add_done_callback(lambda _, work=work: ready.put(work))  # type: ignore[misc]
    except BaseException:
        with undisturbed():
            for work in unfinished:
                with suppress(Exception):  # what is raised already comes first
                    work.close()
        raise


@contextmanager
def undisturbed() -> Iterator[None]:
    """For what is short and has to be done whole: a Ctrl-C or SIGTERM that comes inside is heard at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are never heard there
        return
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: heard.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt
