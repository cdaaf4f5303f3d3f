"""Stages that run are followed into the spool, end as they ended, and are never held up by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pawl.pipeline.project import Project
from pawl.pipeline.running import Ran
from pawl.schema import Usage
from pawl.tracking.events import Begun, Ended, Inputs, Params, Points
from pawl.tracking.live import Live
from pawl.tracking.spool import Spool, events_of
from tests.pipeline.dag import wait_for
from tests.support.repositories import make_repository
from tests.tracking.said import ABOUT, looked_over


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return looked_over(make_repository(tmp_path_factory.mktemp("live") / "repository"))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool")
    yield spool
    spool.close()


@contextmanager
def training(live: Live, project: Project) -> Iterator[Any]:
    """The stage train at work; the history that it wrote is gone afterwards."""
    stage = project.stage("train")
    assert stage is not None
    try:
        with live.stage(project, stage, "head", "k" * 64, (), forced=False) as watched:
            yield watched
    finally:
        (project.root / "history.tsv").unlink(missing_ok=True)


def ran(exit_code: int) -> Ran:
    return Ran("2026-01-01T00:00:00Z", exit_code, Usage(seconds=1))


def ends(folder: Path) -> list[tuple[str, str]]:
    return [(event.run.partition("-")[0], event.status) for event in events_of(folder) if isinstance(event, Ended)]


def points(folder: Path) -> list[tuple[str, float, int]]:
    found = [point for event in events_of(folder) if isinstance(event, Points) for point in event.points]
    return [(name, value, step) for name, value, step, _ in found]


def test_what_a_stage_writes_and_the_machine_does_is_there_while_it_runs(
    project: Project, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pawl.tracking.live._FOLLOW_SECONDS", 0.02)
    monkeypatch.setattr("pawl.tracking.live._SAMPLE_SECONDS", 0.03)
    live = Live(ABOUT, lambda: spool)
    history = project.root / "history.tsv"
    with training(live, project) as watched:
        history.write_text("step\tloss\n0\t1.5\n")
        wait_for(lambda: ("loss", 1.5, 0) in points(spool.folder))
        wait_for(lambda: sum(name.startswith("system/system_memory") for name, *_ in points(spool.folder)) > 4)
        history.write_text("step\tloss\n0\t1.5\n1\t0.5")
        assert ("loss", 0.5, 1) not in points(spool.folder)
        assert ends(spool.folder) == []
        watched.ran = ran(0)
    assert ("loss", 0.5, 1) in points(spool.folder), "its last row has no end, and it has ended"
    assert [name for name, *_ in points(spool.folder)].count("loss") == 2
    live.close(killed=False)
    assert [status for _, status in ends(spool.folder)] == ["FINISHED", "FINISHED"]
    before = len(points(spool.folder))
    kinds = [(event.kind, event.parent) for event in events_of(spool.folder) if isinstance(event, Begun)]
    assert kinds == [("parent", None), ("stage", "parent-1")]
    assert {type(event) for event in events_of(spool.folder)} == {Begun, Params, Inputs, Points, Ended}
    assert len(points(spool.folder)) == before


@pytest.mark.parametrize(("exit_code", "status"), [(0, "FINISHED"), (7, "FAILED"), (None, "KILLED")])
def test_a_stage_ends_as_its_command_did(exit_code: int | None, status: str, project: Project, spool: Spool) -> None:
    live = Live(ABOUT, lambda: spool)
    with training(live, project) as watched:
        (project.root / "history.tsv").write_text("step\tloss\n0\t1.5\n")
        watched.ran = None if exit_code is None else ran(exit_code)
    assert [found for _, found in ends(spool.folder)] == [status]
    live.close(killed=exit_code is None)
    assert ends(spool.folder)[-1] == ("parent", "KILLED" if exit_code is None else "FINISHED")


def test_where_nothing_can_be_kept_the_stage_runs_all_the_same(project: Project) -> None:
    def no_spool() -> Spool:
        raise OSError("the disk is gone")

    live = Live(ABOUT, no_spool)
    with training(live, project) as watched:
        watched.ran = ran(0)
    live.close(killed=False)


def test_a_disk_that_goes_while_a_stage_runs_takes_nothing_else_with_it(
    project: Project, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pawl.tracking.live._FOLLOW_SECONDS", 0.02)
    gone = False

    def maybe() -> Spool:
        if gone:
            raise OSError("the disk is gone")
        return spool

    live = Live(ABOUT, maybe)
    history = project.root / "history.tsv"
    with training(live, project) as watched:
        gone = True
        history.write_text("step\tloss\n0\t1.5\n")
        wait_for(lambda: all(thread.is_alive() for thread in live._threads))
        gone = False
        history.write_text("step\tloss\n0\t1.5\n1\t1.0\n")
        wait_for(lambda: ("loss", 1.0, 1) in points(spool.folder))
        watched.ran = ran(0)
    live.close(killed=False)
    assert [status for _, status in ends(spool.folder)] == ["FINISHED", "FINISHED"]
