"""Trainings of one commit with several seeds: a run for each stage, and below it one for each seed.

A seed's run is filed under its stage's key, so that whoever restores that result later finds it, and whoever measures
again makes no second one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pawl import git
from pawl.compare.results import SideFiles
from pawl.noise.seeds import seeds_behind
from pawl.pipeline.project import Project, stage_name
from pawl.schema import Machine, Noise, Side, StageResult
from pawl.tracking import names
from pawl.tracking.cursor import cursor_of
from pawl.tracking.events import MAX_POINTS, Begun, Closed, Ended, Ending, Event, Params, Point, Points, Tags
from pawl.tracking.lineage import About, about_checkout, begun_of, bounded, data_tag, provenance
from pawl.tracking.live import Live, Watch, milliseconds, watch_of
from pawl.tracking.process import unreachable
from pawl.tracking.result import result_events
from pawl.tracking.server import Place, tracking_uri, without_secrets
from pawl.tracking.session import Open, deliverer_of, root_of, spool_at, stream
from pawl.tracking.spool import events_of, new_spool, size_of

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

_SIDE_OF_STAGE, _SIDE_OF_SEED = "seeds", "seed"
"""What `pawl.side` says: they are no side of a comparison, and no run of a side has one of them before it."""


@dataclass(frozen=True)
class _Training:
    title: str
    seeds: Mapping[str, int]


class SeedRuns:
    """The runs of one commit's trainings, in one spool. No method raises, and none waits for a server."""

    def __init__(self, place: Place, said: About, folder: Path, at_ms: int) -> None:
        self._place = place
        self._said = said
        self._folder = folder
        self._at_ms = at_ms
        """Of the commit, by which a spread that is counted again is the same point."""
        self._trainings: dict[Path, _Training] = {}
        self._above: dict[str, Begun] = {}
        self._begun: set[str] = set()
        self._told: set[tuple[Path, str]] = set()
        self._lock = Lock()
        self.live = Live(said, lambda: spool_at(folder), self._begin)
        """What follows the stages while they run."""

    def expect(self, project: Project, title: str, seeds: Mapping[str, int]) -> None:
        """Stages of this project are trained with these seeds, `file:key` and value, from now on."""
        self._trainings[project.root] = _Training(title, dict(seeds))

    def tell(self, project: Project, results: Mapping[str, StageResult]) -> None:
        """Put the results that are new into the spool, while their files are in the project's checkout."""
        for name, result in list(results.items()):
            stage = project.stage(name)
            if (project.root, name) in self._told or stage is None or result.stage_key is None:
                continue
            if result.outcome in ("trained", "restored"):
                self._told.add((project.root, name))
                with suppress(Exception):  # a number that MLflow does not have is no reason to stop a training
                    self._tell(SideFiles(project, dict(results)), stage, result, result.stage_key)

    def spread(self, noise: Noise) -> None:
        """Put the spread of each metric into its stage's run; its step is how many trainings it is from."""
        points: dict[str, dict[str, Point]] = {}
        for metric in noise.metrics:
            for what, value in (("mean", metric.mean), ("standard_deviation", metric.standard_deviation)):
                name = names.allowed_name(f"{metric.key}/{what}")
                if metric.stage in self._above:
                    of_stage = points.setdefault(metric.stage, {})
                    of_stage.setdefault(name, (name, value, metric.count, self._at_ms))
        for stage, found in points.items():
            all_points = tuple(found.values())
            for start in range(0, len(all_points), MAX_POINTS):
                part = all_points[start : start + MAX_POINTS]
                spool_at(self._folder).add(Points(run=self._above[stage].run, points=part))

    def close(self, *, killed: bool) -> None:
        """Nothing is trained any more."""
        self.live.close(killed=killed)
        if self._above:
            status: Ending = "KILLED" if killed else "FINISHED"
            runs = [*(begun.run for begun in self._above.values()), self._said.parent.run]
            now = milliseconds()
            spool_at(self._folder).add(*(Ended(run=run, status=status, at_ms=now) for run in runs))

    def _begin(
        self, _: Path, project: Project, stage: PipelineStage, side: Side, key: str, forced: bool
    ) -> tuple[Watch, list[Event]] | None:
        """How a seed's run begins; None for a stage that no seed reaches, which is as it is in any run."""
        training = self._trainings.get(project.root)
        reached = seeds_behind(project, stage, training.seeds) if training else []
        if training is None or not reached:
            return None
        name, run = stage_name(stage), self._run(training, stage)
        above, events = self._stage_run(name)
        self._begun.add(run)
        watch = watch_of(self._said, run, project, stage, key, forced=forced)
        begun, params, inputs = begun_of(
            self._said, run, project, stage, side, key, forced=forced, at_ms=watch.started_ms
        )
        # The stage's own tag comes later: a result that is known is linked by the run's name, which tells the seed.
        tags = {tag: value for tag, value in begun.tags.items() if tag != names.STAGE_TAG}
        tags |= {names.SIDE_TAG: _SIDE_OF_SEED}
        begun = begun.model_copy(update={"name": training.title, "kind": "part", "parent": above, "tags": tags})
        seeds = {names.allowed_name(seed.partition(":")[2]): str(training.seeds[seed]) for seed in reached}
        params = Params(run=run, values={**params.values, **seeds})
        return watch, [*events, begun, params, inputs, Tags(run=run, values={names.STAGE_TAG: name})]

    def _tell(self, files: SideFiles, stage: PipelineStage, result: StageResult, key: str) -> None:
        project, spool = files.project, spool_at(self._folder)
        files.params()
        training = self._trainings[project.root]
        run, events = self._run(training, stage), list[Event]()
        if run not in self._begun:
            found = self._begin(self._folder, project, stage, result.side, key, False)
            if found is None:
                return
            watch, begun = found
            events += [self._said.parent, *begun, *watch.read(whole=True), *watch.ended("FINISHED")]
        record = provenance(self._said, project, stage, result.side, key, result.outcome)
        spool.add(*result_events(self._place.config, spool, run, files, result, events, record, ()))

    def _run(self, training: _Training, stage: PipelineStage) -> str:
        return f"{self._folder.name}-{_digest(training.title, stage_name(stage))[:12]}"

    def _stage_run(self, stage: str) -> tuple[str, list[Event]]:
        """The run that a stage's seeds are below, and how it begins, the first time."""
        said, commit = self._said, self._said.commits["base"]
        with self._lock:
            if stage in self._above:
                return self._above[stage].run, []
            tags = {
                names.STAGE_TAG: stage,
                names.SIDE_TAG: _SIDE_OF_STAGE,
                names.COMMIT_TAG: commit,
                names.SOURCE_TAG: said.source,
                names.DATA_TAG: said.data_tag,
                names.DIFF_TAG: said.diff,
                names.DEVICE_TAG: said.machine.device,
                names.ENVIRONMENT_TAG: said.machine.environment_digest,
            }
            self._above[stage] = Begun(
                # Named by what it is of: more seeds of the same commit come below the same run.
                run=f"seeds-{_digest(said.experiment, said.parent.run, commit, stage)[:24]}",
                name=f"{stage} {commit[:10]} with other seeds"[:250],
                kind="stage",
                parent=said.parent.run,
                experiment=said.experiment,
                at_ms=milliseconds(),
                tags=bounded(tags),
            )
            return self._above[stage].run, [self._above[stage]]


@contextmanager
def seed_runs(place: Place, repo: Repo, commit: str, machine: Machine) -> Iterator[SeedRuns | None]:
    """While the block runs, trainings of `commit` go into a new spool, and to the server where there is one.

    None: tracking is off. Afterwards `deliver_seeds` sees to what is left, or the next run of this process takes it.
    """
    if not place.config.tracking.enabled:
        yield None
        return
    runs = None
    with suppress(Exception):
        runs = _open(place, repo, commit, machine)
    killed = True
    try:
        yield runs
        killed = False
    finally:
        if runs is not None:
            with suppress(Exception):
                runs.close(killed=killed)


def deliver_seeds(place: Place, say: Callable[[str], None]) -> None:
    """Deliver what `seed_runs` wrote, as far as the server takes it; what is left stays in the spool."""
    folder, Open.seeds = Open.seeds, None
    if folder is None or not size_of(folder):
        return
    uri = tracking_uri(place)
    shown = without_secrets(uri)
    spool_at(folder).add(Closed())
    reason = unreachable(uri)
    if reason is None:
        reason = deliverer_of(place, folder).wait(until_end=True).reason
    cursor = cursor_of(folder, uri).value
    if cursor.offset < size_of(folder):
        said = (reason or "the disk is full").replace(uri, shown)[:500]
        say(f"tracking: MLflow at {shown} could not be used ({said}); `pawl track --sync` tries again")
        return
    begun = [event for event in events_of(folder) if isinstance(event, Begun) and _is_seed(event)]
    linked = sum(event.run in cursor.linked for event in begun)
    say(f"tracking: {len(begun) - linked} runs of seeds created and {linked} linked in {shown}")


def _open(place: Place, repo: Repo, commit: str, machine: Machine) -> SeedRuns:
    head = git.head(place.root)
    commits: dict[Side, str] = {"head": head.commit, "base": commit}
    said = about_checkout(place, repo, head.name, commits, machine, milliseconds(), diff="clean")
    said = replace(said, data_tag=data_tag(place, commit))
    root = root_of(place)
    root.mkdir(parents=True, exist_ok=True)
    folder = new_spool(root, head.commit)
    time = git.git(place.root, "show", "--no-patch", "--format=%ct", commit, check=False)
    runs = SeedRuns(place, said, folder, int(time or 0) * 1_000)
    Open.seeds = folder
    if place.config.tracking.live:
        spool_at(folder)
        stream(place, folder)
    return runs


def _is_seed(event: Begun) -> bool:
    return event.tags.get(names.SIDE_TAG) == _SIDE_OF_SEED


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
