"""Doing what the plan says, on head and on base: what does not wait for something else goes on at the same time."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

from pawl.pipeline.project import Project, stage_name
from pawl.pipeline.provenance import origin_of
from pawl.pipeline.records import in_pipeline_order
from pawl.pipeline.shared import Shared
from pawl.pipeline.turns import Work, result_of, take_turns
from pawl.pipeline.urgency import longest_paths
from pawl.pipeline.worker import Worker
from pawl.schema import Plan, Rate, Stages

if TYPE_CHECKING:
    from dvc.stage import PipelineStage


def reproduce(head: Worker, base: Worker | None, plan: Plan, rate: Rate | None = None) -> Stages:
    """Carry out `plan`; `rate` is what the machine costs.

    A stage that fails takes the stages below it with it, and no others; only what is not a stage's own doing raises,
    and it ends all that runs, as an interrupt does.
    """
    start = time.monotonic()
    _say_progress(head.shared, plan)
    works = _Order(head, base, plan).works()
    for worker in filter(None, (head, base)):
        worker.project.repo.lock._wait = True  # a command may be DVC itself, and hold the lock for long
    pool = head.shared.pool
    try:
        with in_pipeline_order(head.project):
            try:
                take_turns(works, at_once=1 if head.shared.at_once == 1 else None)
            finally:
                for worker in filter(None, (head, base)):
                    worker.lock_file.write()
    finally:
        pool.stop()
    return Stages(
        base=plan.base,
        head=plan.head,
        machine=head.shared.machine,
        stages=tuple(
            worker.results[stage_name(stage)]
            for worker in (head, base)
            if worker is not None
            for stage in worker.project.stages
            if stage_name(stage) in worker.results
        ),
        seconds=time.monotonic() - start,
        rate=rate,
    )


class _Order:
    """What waits for what: a stage for the planned stages above it, and base's for head's of the same name."""

    def __init__(self, head: Worker, base: Worker | None, plan: Plan) -> None:
        self.actions = {stage.name: (stage.action, stage.base_action) for stage in plan.stages}
        self.head = head
        self.base = base
        self.of_head = [s for s in head.project.stages if self.actions[stage_name(s)][0] != "unchanged"]
        self.of_base = [
            stage
            for stage in (base.project.stages if base else ())
            if self.actions.get(stage_name(stage), ("", ""))[1] in ("run", "restore")
        ]
        self.rest: Future[None] = Future()
        """The end of head's unchanged stages, which is the end of head."""
        self.ends: dict[str, Future[None]] = {
            worker.label(stage): Future()
            for worker, stages in ((head, self.of_head), (base, self.of_base))
            if worker is not None
            for stage in stages
        }
        self.above = {worker.side: _all_upstream(worker.project) for worker in filter(None, (head, base))}
        head.shared.progress.expect(self.ends)
        head.shared.urgency = self._urgency()

    def works(self) -> list[Work]:
        """The work for each stage, in an order in which one after the other could be done too."""
        head, base = self.head, self.base
        works = [self._of_head(stage, self.above["head"][stage_name(stage)]) for stage in self._in_turn(head)]
        works.append(self._rest_of_head())
        if base is not None:
            works += [
                self._of_base(base, stage, self.above["base"][stage_name(stage)]) for stage in self._in_turn(base)
            ]
        return works

    def _in_turn(self, worker: Worker) -> list[PipelineStage]:
        """In the pipeline's order where one runs at a time, else the most urgent first."""
        stages = self.of_head if worker is self.head else self.of_base
        if worker.shared.at_once == 1:
            return stages
        return sorted(stages, key=lambda stage: -worker.shared.urgency[worker.label(stage)])

    def _urgency(self) -> dict[str, float]:
        """By how long each stage took when base's result was made, or the result that is made again."""
        known = self.base or self.head
        seconds: dict[str, float | None] = {}
        waits_for: dict[str, list[str]] = {}
        for worker, stages in ((self.head, self.of_head), (self.base, self.of_base)):
            if worker is None:
                continue
            for stage in stages:
                name, label = stage_name(stage), worker.label(stage)
                seconds[label] = self._seconds(known, name) if self.actions[name][worker is self.base] == "run" else 0.0
                waits_for[label] = [worker.label(other) for other in self.above[worker.side][name]]
                if worker is self.base:
                    waits_for[label].append(f"head: {name}")
        return longest_paths(seconds, waits_for)

    def _seconds(self, known: Worker, name: str) -> float | None:
        look = known.looks.get(name)
        origin = origin_of(known.project, look.receipt) if look else None
        return origin.usage.seconds if origin else None

    async def _of_head(self, stage: PipelineStage, above: list[PipelineStage]) -> None:
        await self._ended(self.head, above)
        await self.head.obtain(stage)
        self._end(self.head, stage)

    async def _rest_of_head(self) -> None:
        """Stages that are as on base; they may yet be obtained for others to read, so they come last."""
        await self._ended(self.head, self.of_head)
        for stage in self.head.project.stages:
            if self.head.label(stage) not in self.ends:
                self.head.keep_unchanged(self.head.looks[stage_name(stage)])
        self.rest.set_result(None)

    async def _of_base(self, base: Worker, stage: PipelineStage, above: list[PipelineStage]) -> None:
        """A stage that head failed at is not trained on base for nothing."""
        await result_of(self.ends.get(f"head: {stage_name(stage)}", self.rest))
        await self._ended(base, above)
        if self.head.results[stage_name(stage)].outcome in ("failed", "skipped"):
            base.skip(stage)
        else:
            await base.obtain(stage)
        self._end(base, stage)

    async def _ended(self, worker: Worker, stages: list[PipelineStage]) -> None:
        for stage in stages:
            if worker.label(stage) in self.ends:
                await result_of(self.ends[worker.label(stage)])

    def _end(self, worker: Worker, stage: PipelineStage) -> None:
        worker.shared.progress.count(worker.label(stage))
        self.ends[worker.label(stage)].set_result(None)


def _all_upstream(project: Project) -> dict[str, list[PipelineStage]]:
    """Stage name -> every stage that it follows from, in running order."""
    names: dict[str, set[str]] = {}
    for stage in project.stages:
        direct = {stage_name(other) for other in project.upstream(stage)}
        names[stage_name(stage)] = direct.union(*(names[name] for name in direct))
    return {name: [s for s in project.stages if stage_name(s) in above] for name, above in names.items()}


def _say_progress(shared: Shared, plan: Plan) -> None:
    runs = sum(stage.action == "run" for stage in plan.stages)
    base_runs = sum(stage.base_action == "run" for stage in plan.stages)
    restores = sum("restore" in (stage.action, stage.base_action) for stage in plan.stages)
    if runs or base_runs or restores:
        shared.progress.say(f"plan: run {runs} stages of head and {base_runs} of base, restore {restores}")
