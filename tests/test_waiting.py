"""A call that never ends is not waited for, and the patience is what the variable says."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from pawl.errors import InputError
from pawl.publish.retry import Patience
from pawl.waiting import patience_seconds, request_seconds, within


def test_what_a_call_returns_and_raises_passes_through() -> None:
    assert within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0)
    with pytest.raises(TimeoutError, match="its own"):
        within(5, lambda: (_ for _ in ()).throw(TimeoutError("its own")))


def test_a_call_that_does_not_end_is_left_behind() -> None:
    never = threading.Event()
    with pytest.raises(TimeoutError, match="no answer within 0 s"):
        within(0.05, never.wait)
    never.set()


def test_a_call_is_waited_for_as_long_as_it_gets_on() -> None:
    steps = iter(range(4))
    done = threading.Event()

    def progress() -> int:
        step = next(steps)
        if step == 3:
            done.set()
        return step

    assert within(0.05, done.wait, progress) is True


def test_a_worker_that_was_left_behind_keeps_no_process_from_ending() -> None:
    code = (
        "import threading; from concurrent.futures import ThreadPoolExecutor\n"
        "from pawl.waiting import end_process, within\n"
        "pool = ThreadPoolExecutor()\n"
        "try: within(0.2, lambda: pool.submit(threading.Event().wait).result())\n"
        "except TimeoutError: end_process(4)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 4


def test_what_was_left_behind_keeps_no_process_from_ending() -> None:
    code = (
        "import threading; from pawl.waiting import within\n"
        "try: within(0.05, threading.Event().wait)\nexcept TimeoutError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "no answer within 0 s\n")


@pytest.mark.parametrize(
    ("given", "patience", "request_"), [("", 300.0, 30.0), ("20", 20.0, 2.0), ("1", 1.0, 1.0), ("3600", 3600.0, 30.0)]
)
def test_the_patience_is_the_variables(
    monkeypatch: pytest.MonkeyPatch, given: str, patience: float, request_: float
) -> None:
    monkeypatch.setenv("PAWL_PATIENCE_SECONDS", given)
    assert (patience_seconds(), request_seconds()) == (patience, request_)
    assert (Patience().total_wait_seconds, Patience().request_seconds) == (patience, request_)


@pytest.mark.parametrize("given", ["0", "-1", "3601", "nan", "1e3", "soon", "99999"])
def test_another_patience_is_an_error(given: str) -> None:
    with pytest.raises(InputError, match=r"PAWL_PATIENCE_SECONDS is .*: set it to 1 to 3600 seconds"):
        patience_seconds({"PAWL_PATIENCE_SECONDS": given})
