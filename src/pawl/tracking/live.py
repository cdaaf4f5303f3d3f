"""What stages do while they run, put into the spool as it happens; nothing here waits for a server or fails a stage."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.pipeline.project import Project, stage_name
from pawl.pipeline.shared import Watched
from pawl.schema import Side
from pawl.tracking.events import MAX_POINTS, Begun, Ended, Ending, Event, Point, Points
from pawl.tracking.following import History
from pawl.tracking.lineage import About, begun_of
from pawl.tracking.sampling import Sampler
from pawl.tracking.spool import Spool

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_FOLLOW_SECONDS = 1.0
_SAMPLE_SECONDS = 5.0


@dataclass
class Watch:
    """One stage that runs."""

    run: str
    key: str
    experiment: str
    histories: list[History]
    started_ms: int
    forced: bool = False
    _parts: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, *, whole: bool = False) -> list[Event]:
        """Events for what is new in its histories; each fold, seed or trial is a run of its own below the stage's."""
        now = milliseconds()
        events: list[Event] = []
        points: dict[str, list[Point]] = {}
        with self._lock:
            for history in self.histories:
                for one in history.read(whole=whole):
                    if one.part and one.part not in self._parts:
                        self._parts.add(one.part)
                        events.append(self._begun(one.part, now))
                    at = now if one.at_ms is None else one.at_ms
                    points.setdefault(one.part, []).append((one.name, one.value, one.step, at))
        for part, found in points.items():
            run = part_run(self.run, part) if part else self.run
            starts = range(0, len(found), MAX_POINTS)
            events += [Points(run=run, points=tuple(found[start : start + MAX_POINTS])) for start in starts]
        return events

    def ended(self, status: Ending) -> list[Event]:
        """The end of the stage's run and its parts'."""
        now = milliseconds()
        runs = [*(part_run(self.run, part) for part in sorted(self._parts)), self.run]
        return [Ended(run=run, status=status, at_ms=now) for run in runs]

    def _begun(self, part: str, at_ms: int) -> Begun:
        return Begun(
            run=part_run(self.run, part),
            name=part,
            kind="part",
            parent=self.run,
            key=f"{self.key}/{part}"[:200],
            forced=self.forced,
            experiment=self.experiment,
            at_ms=at_ms,
        )


Begin = Callable[[Path, Project, "PipelineStage", Side, str, bool], tuple[Watch, list[Event]] | None]
"""(spool's folder, project, stage, side, key, forced) -> what is followed, and how its run begins; None: it is not."""


class Live:
    """The stages of one run of pawl that are at work. The spool is made when the first of them begins.

    `begin` says what a stage's run is called and holds at first; by default it is a child of the parent's.
    """

    def __init__(self, said: About, spool: Callable[[], Spool], begin: Begin | None = None) -> None:
        self._said = said
        self._spool = spool
        self._begin_run = begin or partial(_begin_stage, said)
        self._watches: dict[str, tuple[Watch, Sampler]] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    @contextmanager
    def stage(
        self, project: Project, stage: PipelineStage, side: Side, key: str, gpus: Sequence[str], *, forced: bool
    ) -> Iterator[Watched]:
        """While the block runs, what the stage writes and the machine does goes into the spool."""
        watch = self._begin(project, stage, side, key, gpus, forced=forced)
        watched = Watched()
        try:
            yield watched
        finally:
            if watch is not None:
                with suppress(Exception):
                    ran = watched.ran
                    self._close(watch, "KILLED" if ran is None else "FAILED" if ran.exit_code else "FINISHED")

    def close(self, *, killed: bool) -> None:
        """Nothing runs any more."""
        self._end.set()
        for thread in self._threads:
            thread.join(_FOLLOW_SECONDS)
        if self._threads:
            status: Ending = "KILLED" if killed else "FINISHED"
            with suppress(Exception):
                self._spool().add(Ended(run=self._said.parent.run, status=status, at_ms=milliseconds()))

    def _begin(
        self, project: Project, stage: PipelineStage, side: Side, key: str, gpus: Sequence[str], *, forced: bool
    ) -> Watch | None:
        with suppress(Exception):  # a number that MLflow does not have is no reason to stop a training
            spool = self._spool()
            found = self._begin_run(spool.folder, project, stage, side, key, forced)
            if found is None:
                return None
            watch, events = found
            with self._lock:
                if not self._threads:
                    spool.add(self._said.parent)
                    self._start()
            spool.add(*events)
            with self._lock:
                self._watches[watch.run] = (watch, Sampler(gpus))
            return watch
        return None

    def _start(self) -> None:
        for work, seconds in ((self._follow, _FOLLOW_SECONDS), (self._sample, _SAMPLE_SECONDS)):
            thread = threading.Thread(target=self._again_and_again, args=(work, seconds), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _again_and_again(self, work: Callable[[], None], seconds: float) -> None:
        while not self._end.wait(seconds):
            with suppress(Exception):
                work()

    def _follow(self) -> None:
        for watch, _ in self._now():
            self._spool().add(*watch.read())

    def _sample(self) -> None:
        for watch, sampler in self._now():
            self._spool().add(*_samples(watch, sampler))

    def _now(self) -> list[tuple[Watch, Sampler]]:
        with self._lock:
            return list(self._watches.values())

    def _close(self, watch: Watch, status: Ending) -> None:
        with self._lock:
            _, sampler = self._watches.pop(watch.run)
        spool = self._spool()
        try:
            spool.add(*watch.read(whole=True), *_samples(watch, sampler))
        finally:
            spool.add(*watch.ended(status))
            sampler.close()


def _begin_stage(
    said: About, spool: Path, project: Project, stage: PipelineStage, side: Side, key: str, forced: bool
) -> tuple[Watch, list[Event]]:
    run = run_of(spool, side, stage_name(stage))
    watch = watch_of(said, run, project, stage, key, forced=forced)
    return watch, [*begun_of(said, run, project, stage, side, key, forced=forced, at_ms=watch.started_ms)]


def watch_of(said: About, run: str, project: Project, stage: PipelineStage, key: str, *, forced: bool) -> Watch:
    """A stage's histories, none of them read yet."""
    histories = [
        History(
            Path(out.fs_path), project.relative(out.fs_path), out.plot.get("x") if isinstance(out.plot, dict) else None
        )
        for out in stage.outs
        if out.is_plot and out.protocol == "local"
    ]
    return Watch(run, key, said.experiment, histories, milliseconds(), forced)


def run_of(spool: Path, side: Side, stage: str) -> str:
    """What a stage's run is called in that spool, and by no other."""
    return f"{spool.name}-{side}-{hashlib.sha256(stage.encode()).hexdigest()[:12]}"


def part_run(run: str, part: str) -> str:
    """Likewise for a fold, a seed or a trial of it."""
    return f"{run}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"


def milliseconds() -> int:
    """Now, since 1970."""
    return int(time.time() * 1_000)


def _samples(watch: Watch, sampler: Sampler) -> list[Event]:
    now = milliseconds()
    second = (now - watch.started_ms) // 1_000
    points = tuple((name, value, second, now) for name, value in sampler.read().items())
    return [Points(run=watch.run, points=points)] if points else []
