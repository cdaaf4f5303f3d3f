"""What stands around a spool's events: its artifacts, its copies, its age, and a last line that was torn."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pawl.tracking.events import MAX_LINE_BYTES, Artifact, Begun, Ended, Event, Params, Tags, line_of, parse_line
from pawl.tracking.spool import (
    EVENTS,
    Spool,
    artifact_file,
    copy_spool,
    digest_of,
    end_abandoned,
    events_of,
    forget_old,
    new_spool,
    spools,
)


def write_spool(folder: Path, *events: Event) -> Path:
    spool = Spool(folder)
    spool.add(*events)
    spool.close()
    return folder


def artifact(file: Path, path: str | None = None) -> Artifact:
    return Artifact(run="a", path=path or str(file), sha256=digest_of(file), to=file.name)


def test_an_artifact_is_sent_only_while_it_is_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    file.write_text("better")
    event = artifact(file)
    assert artifact_file(tmp_path, event) == file
    file.write_text("worse")
    assert artifact_file(tmp_path, event) is None
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / event.sha256).write_text("better")
    assert artifact_file(tmp_path, event) == tmp_path / "files" / event.sha256
    (tmp_path / "files" / event.sha256).write_text("worse")
    assert artifact_file(tmp_path, event) is None


def test_a_copy_has_the_events_and_the_files_that_fit(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    inside = spool.put_file("record.json", b"r" * 400)
    assert inside is not None
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(bytes(700))
    small.write_bytes(bytes(300))
    events = [artifact(small), artifact(small), artifact(inside, "files/record.json"), artifact(large)]
    spool.add(*events)
    spool.close()
    copy = tmp_path / "elsewhere" / "copy"
    copy_spool(spool.folder, copy, 0.000_7)
    assert list(events_of(copy)) == events
    for folder in (spool.folder, large, small):
        folder.rename(folder.with_name(f"{folder.name} moved"))
    found = [artifact_file(copy, event) for event in events]
    assert [path and path.stat().st_size for path in found] == [300, 300, 400, None]


def test_a_spool_can_be_moved_with_what_it_keeps(tmp_path: Path) -> None:
    from pawl.config import Config
    from pawl.tracking.result import artifacts

    spool = Spool(tmp_path / "before")
    file = spool.put_file("record.json", b"{}")
    assert file is not None
    [event] = artifacts(Config(), spool, "a", [((file, "provenance.json"),)])
    spool.close()
    spool.folder.rename(tmp_path / "after")
    assert artifact_file(tmp_path / "after", event) == tmp_path / "after" / "files" / "record.json"


def test_what_is_delivered_goes_after_two_weeks_and_nothing_else(tmp_path: Path) -> None:
    def aged(name: str, days: float, root: Path = tmp_path / "root") -> Path:
        folder = write_spool(root / name, Tags(run="a", values={}))
        os.utime(folder / EVENTS, (time.time() - days * 86_400,) * 2)
        return folder

    old, young, waiting, report = aged("old", 15), aged("young", 13), aged("waiting", 15), aged("x", 15, tmp_path / "r")
    forget_old(tmp_path / "root", [old, young, report])
    assert [folder.exists() for folder in (old, young, waiting, report)] == [False, True, True, True]


def test_whoever_is_gone_may_have_left_half_a_line(tmp_path: Path) -> None:
    begun = Begun(run="a", name="x", kind="stage", experiment="e", at_ms=1)
    write_spool(tmp_path, begun)
    with (tmp_path / EVENTS).open("ab") as stream:
        stream.write(line_of(Tags(run="a", values={"n": "1"}))[:-5])
    assert end_abandoned(tmp_path)
    first, last = events_of(tmp_path)
    assert (first, isinstance(last, Ended) and last.status) == (begun, "KILLED")


def test_a_line_longer_than_what_is_read_at_once_is_whole(tmp_path: Path) -> None:
    params = Params(run="a", values={f"name_{number}": "v" * 6_000 for number in range(400)})
    assert 2_000_000 < len(line_of(params)) < MAX_LINE_BYTES
    wanted = [Tags(run="a", values={"n": "1"}), params, Tags(run="a", values={"n": "2"})]
    assert list(events_of(write_spool(tmp_path, *wanted))) == wanted


def test_a_line_that_nobody_wrote_is_not_parsed() -> None:
    line = line_of(Tags(run="a", values={"n": "1"}))
    assert parse_line(line) is not None
    assert parse_line(line.rstrip(b"\n") + b" " * MAX_LINE_BYTES) is None
    assert parse_line(line.replace(b'"run"', b'"other":1,"run"')) is None


def test_spools_are_sorted_by_their_time_and_no_two_are_one(tmp_path: Path) -> None:
    made = [new_spool(tmp_path, "c" * 40) for _ in range(50)]
    assert len(set(made)) == 50
    wanted = [f"202601{day:02}-000000-{100 - day}-1" for day in range(1, 29)]
    for name in sorted(wanted, key=lambda name: name[::-1]):
        write_spool(tmp_path / name)
    (tmp_path / "20250101-000000-a-1").mkdir()
    assert [folder.name for folder in spools(tmp_path)] == wanted
    assert spools(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["a/b", "", "x" * 101, "a b"])
def test_a_run_is_called_nothing_that_could_be_a_path(name: str) -> None:
    assert parse_line(b'{"event":"tags","run":"%s","values":{}}' % name.encode()) is None
