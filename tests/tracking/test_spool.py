"""The spool holds every event once, whatever happens to whoever writes it, or to its disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.tracking.events import Begun, Closed, Ended, Event, Points, Tags, line_of, parse, parse_line
from pawl.tracking.spool import OWNER, Spool, alone, end_abandoned, events_of, open_runs, read_from

names = st.text(min_size=1, max_size=20)
ids = st.from_regex(r"[0-9A-Za-z_.-]{1,20}", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False)
points = st.tuples(names, numbers, st.integers(-(2**40), 2**40), st.integers(0, 10**13))
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Points, run=ids, points=st.lists(points, max_size=5).map(tuple)),
    st.builds(Tags, run=ids, values=st.dictionaries(names, st.text(max_size=30), max_size=3)),
    st.builds(Begun, run=ids, name=names, kind=st.just("stage"), experiment=names, at_ms=st.integers(0, 10**13)),
    st.builds(Ended, run=ids, status=st.sampled_from(["FINISHED", "FAILED", "KILLED"]), at_ms=st.integers(0, 10**13)),
    st.just(Closed()),
)


@given(st.lists(events, max_size=8), st.integers(0, 2_000))
def test_what_is_torn_waits_and_the_rest_is_whole(written: list[Event], torn: int) -> None:
    data = b"".join(map(line_of, written))
    cut = data[: max(0, len(data) - torn)]
    found, length = parse(cut)
    assert [event for event, _ in found] == written[: len(found)]
    assert length == sum(len(line_of(event)) for event in written[: len(found)])
    rest, _ = parse(data[length:])
    assert [event for event, _ in (*found, *rest)] == written


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_none(data: bytes) -> None:
    assert parse_line(data) is None
    found, length = parse(data)
    assert found == []
    assert length == data.rfind(b"\n") + 1


def test_a_line_that_was_torn_takes_no_other_with_it(tmp_path: Path) -> None:
    first, second = Tags(run="a", values={"n": "1"}), Tags(run="a", values={"n": "2"})
    spool = Spool(tmp_path)
    spool.add(first)
    spool.close()
    with (tmp_path / "events.jsonl").open("ab") as stream:
        stream.write(line_of(second)[:-9])
    again = Spool(tmp_path)
    again.add(second)
    assert list(events_of(tmp_path)) == [first, second]


@pytest.mark.parametrize("takes", [0, 20], ids=["nothing", "half a line"])
def test_a_full_disk_loses_nothing_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes: int
) -> None:
    wanted: list[Event] = [Tags(run="a", values={"n": str(n)}) for n in range(5)]
    spool = Spool(tmp_path)
    spool.add(wanted[0])
    true_write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if not takes:
            raise OSError(28, "No space left on device")
        return true_write(descriptor, data[:takes])

    monkeypatch.setattr("pawl.tracking.spool.os.write", full)
    spool.add(wanted[1])
    spool.add(wanted[2], wanted[3])
    assert list(events_of(tmp_path)) == wanted[:1]
    monkeypatch.setattr("pawl.tracking.spool.os.write", true_write)
    spool.add(wanted[4])
    assert list(events_of(tmp_path)) == wanted
    assert spool.lost == 0


def test_what_does_not_fit_into_memory_either_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pawl.tracking.spool._MOST_WAITING_BYTES", 200)
    target = tmp_path / "file"
    target.write_text("in the way")
    spool = Spool(target)
    for n in range(50):
        spool.add(Tags(run="a", values={"n": str(n)}))
    assert 40 < spool.lost < 50


def test_whoever_is_gone_left_nothing_running(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from pawl.tracking.events import Begun
from pawl.tracking.spool import Spool
spool = Spool(Path(sys.argv[1]))
for run in "ab":
    spool.add(Begun(run=run, name="x", kind="stage", experiment="e", at_ms=1, tags={}))
print("ready", flush=True)
signal.pause()
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    assert not end_abandoned(tmp_path)
    assert set(open_runs(events_of(tmp_path))) == {"a", "b"}
    process.kill()
    process.wait()
    assert end_abandoned(tmp_path)
    assert end_abandoned(tmp_path)
    assert open_runs(events_of(tmp_path)) == {}
    ends = [event for event in events_of(tmp_path) if isinstance(event, Ended)]
    assert [(event.run, event.status) for event in ends] == [("a", "KILLED"), ("b", "KILLED")]


def test_one_at_a_time(tmp_path: Path) -> None:
    with alone(tmp_path / OWNER) as first, alone(tmp_path / OWNER) as second:
        assert (first, second) == (True, False)
    with alone(tmp_path / OWNER) as again:
        assert again


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    wanted: list[Any] = [Points(run="a", points=(("n" * 200, 0.0, n, 1),) * 500) for n in range(30)]
    spool = Spool(tmp_path)
    offset, found = 0, []
    for event in wanted:
        spool.add(event)
    while True:
        part, end = read_from(tmp_path, offset)
        if end == offset:
            break
        assert len(part) < 30
        found += [event for event, _ in part]
        offset = end
    assert found == wanted
