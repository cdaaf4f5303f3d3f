"""Turns on one thread: who waits lets others go on; an error or an interrupt closes all where they wait."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from pawl.pipeline.turns import Work, result_of, take_turns, undisturbed


def test_who_waits_lets_others_go_on() -> None:
    told: Future[str] = Future()
    seen: list[str] = []

    async def listen() -> None:
        seen.append(await result_of(told))

    async def speak() -> None:
        seen.append("speaks")
        told.set_result("heard")

    take_turns([listen(), listen(), speak()])
    assert seen == ["speaks", "heard", "heard"]


def test_results_may_come_from_other_threads() -> None:
    seen: list[int] = []

    async def count(number: int) -> None:
        answer: Future[int] = Future()
        threading.Timer(0.02 * (3 - number), answer.set_result, [number]).start()
        seen.append(await result_of(answer))

    take_turns([count(number) for number in range(3)])
    assert sorted(seen) == [0, 1, 2]


def test_one_at_a_time_begins_the_next_at_the_end_of_the_one_before() -> None:
    seen: list[str] = []

    async def work(name: str) -> None:
        seen.append(f"{name} begins")
        pause: Future[None] = Future()
        threading.Timer(0.02, pause.set_result, [None]).start()
        await result_of(pause)
        seen.append(f"{name} ends")

    take_turns([work("a"), work("b")], at_once=1)
    assert seen == ["a begins", "a ends", "b begins", "b ends"]


def closing(seen: list[str], name: str) -> Work:
    async def work() -> None:
        try:
            await result_of(Future())  # never done
        finally:
            seen.append(name)
            if name == "stumbles":
                raise RuntimeError("while cleaning up")

    return work()


def test_an_error_closes_the_others_and_keeps_its_type() -> None:
    seen: list[str] = []

    async def fails() -> None:
        failed: Future[None] = Future()
        failed.set_exception(KeyError("told by a thread"))
        await result_of(failed)

    with pytest.raises(KeyError, match="told by a thread"):
        take_turns([closing(seen, "one"), closing(seen, "stumbles"), closing(seen, "two"), fails()])
    assert seen == ["one", "stumbles", "two"]


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Started in the background of a shell without a terminal, the tests ignore Ctrl-C."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_closes_all_and_a_second_one_does_not_disturb_that() -> None:
    seen: list[str] = []

    async def interrupt_twice() -> None:
        try:
            await result_of(Future())
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("second")

    threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        take_turns([interrupt_twice(), closing(seen, "one")])
    assert seen == ["second", "one"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_when_what_has_to_be_whole_is_done(number: signal.Signals) -> None:
    done: list[str] = []

    def write() -> None:
        with undisturbed():
            os.kill(os.getpid(), number)
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert done == ["whole"]


@pytest.mark.usefixtures("_interruptible")
def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_have_no_signals_to_keep_away() -> None:
    entered = threading.Event()

    def clean_up() -> None:
        with undisturbed():
            entered.set()

    thread = threading.Thread(target=clean_up)
    thread.start()
    thread.join()
    assert entered.is_set()
