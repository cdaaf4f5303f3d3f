"""Jobs that take turns, and what is followed of one that runs elsewhere; without any process."""

from __future__ import annotations

import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.learning.executors.node import Ended
from tasks.common.learning.executors.remote import RemoteJob
from tasks.common.learning.executors.turns import Printed, take_turns


@dataclass
class Timed:
    """A job that is over when it has been looked at so often."""

    name: str
    looks: int
    fails: bool

    def is_over(self) -> bool:
        self.looks -= 1
        return self.looks < 0

    def error(self) -> str | None:
        return "it failed" if self.fails else None


jobs = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12)


@given(jobs, st.integers(1, 5), st.booleans())
def test_each_job_has_its_turn_and_no_more_than_the_workers_run(plan, workers, stop_at_failure):
    started: list[Timed] = []
    slots: dict[int, Timed] = {}
    ended: list[Timed] = []

    def start(name: str, slot: int) -> Timed:
        assert 0 <= slot < workers
        assert slot not in slots or slots[slot].looks < 0, "the place is taken"
        slots[slot] = Timed(name, *plan[int(name)])
        started.append(slots[slot])
        assert sum(job.looks >= 0 for job in started) <= workers
        return slots[slot]

    names = [str(number) for number in range(len(plan))]
    errors = take_turns(
        names, start, ended.extend, workers=workers, label="x", stop_at_failure=stop_at_failure, tick_seconds=0
    )
    assert [job.name for job in started] == names[: len(started)]
    over = [job for job in started if job.looks < 0]
    assert errors == {job.name: "it failed" for job in over if job.fails}
    assert sorted(job.name for job in ended) == sorted(job.name for job in started if job.looks >= 0)
    if not (stop_at_failure and errors):
        assert len(over) == len(plan)


def test_what_runs_is_handed_over_when_something_goes_wrong():
    ended: list[Timed] = []

    def start(name: str, slot: int) -> Timed:
        if name == "b":
            raise OSError("no more processes")
        return Timed(name, 99, False)

    with pytest.raises(OSError, match="no more"):
        take_turns(["a", "b"], start, ended.extend, workers=2, label="x", stop_at_failure=False, tick_seconds=0)
    assert [job.name for job in ended] == ["a"]


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_job_that_is_being_started_when_an_interruption_comes_is_handed_over_too(number, raised):
    ended: list[Timed] = []
    heard = signal.getsignal(number)

    def start(name: str, slot: int) -> Timed:
        signal.raise_signal(number)
        return Timed(name, 99, False)

    with pytest.raises(raised):
        take_turns(["a", "b"], start, ended.extend, workers=2, label="x", stop_at_failure=False, tick_seconds=0)
    assert [job.name for job in ended] == ["a"]
    assert signal.getsignal(number) == heard


texts = st.text(alphabet="a \té\n\r", max_size=12).map(str.encode)


@given(st.lists(st.lists(texts, max_size=5), min_size=1, max_size=3))
def test_lines_are_passed_on_once_and_in_order_however_they_arrive(attempts):
    said: list[str] = []
    folder = Path(tempfile.mkdtemp())
    try:
        job = RemoteJob("a", folder, folder)
        job.printed.pass_on = lambda line: said.append(line)  # type: ignore[method-assign]
        expected: list[str] = []
        for number, chunks in enumerate(attempts):
            # Each attempt has a file of its own, which may be where the one before was.
            (folder / "log.txt").unlink(missing_ok=True)
            for chunk in (b"runs ", f"as {number}\n".encode(), *chunks):
                with (folder / "log.txt").open("ab") as log:
                    log.write(chunk)
                job.follow()
            expected += [f"runs as {number}", *b"".join(chunks).decode().split("\n")[:-1]]
        job.finish(Ended(code=0, problem=""))
        rest = b"".join(attempts[-1]).decode().split("\n")[-1]
        assert said == expected + [rest] * bool(rest)
        assert [path.name for path in folder.iterdir()] == ["log.txt"]
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("lines", "code", "sentence"),
    [
        (["error: too high."], 2, "too high."),
        (["error: too high.", "later"], 2, "ended with exit code 2, its last lines: error: too high. | later; all"),
        (["1", "2", "", "3", "4"], 1, "ended with exit code 1, its last lines: 2 | 3 | 4; all it printed is in "),
        ([], -9, "was ended by SIGKILL; all it printed is in "),
        (["error: but done"], 0, None),
    ],
)
def test_what_went_wrong_is_a_sentence(tmp_path, lines, code, sentence):
    printed = Printed("a", tmp_path / "log.txt")
    for line in lines:
        printed.pass_on(line + "\n")
    found = printed.sentence(code)
    assert found is None if sentence is None else found is not None and found.startswith(sentence)
