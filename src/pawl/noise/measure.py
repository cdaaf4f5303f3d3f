"""`pawl noise`: the same commit trained with other seeds, and how far its metrics lie apart."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pawl import git
from pawl.config import Config
from pawl.errors import InputError
from pawl.noise.seeds import check_evaluation_stays, other_seeds, seed_parameters, seeds_behind
from pawl.noise.spread import spreads
from pawl.noise.training import Place, Training
from pawl.schema import Noise, NoiseRun

if TYPE_CHECKING:
    from pawl.pipeline.progress import Progress
    from pawl.pipeline.shared import Shared
    from pawl.scaling.fleet import Engine, Fleet
    from pawl.tracking.seeds import SeedRuns

Say = Callable[[str], None]
Watch = Callable[["Progress"], AbstractContextManager[Any]]


class _Files(NamedTuple):
    """What one stage writes that is of interest, relative to the project."""

    metrics: list[str]
    predictions: list[str]


def measure_noise(
    root: Path,
    config: Config,
    trainings: int,
    say: Say,
    *,
    base: str | None = None,
    use_remote: bool = True,
    jobs: int | None = None,
    watch: Watch = nullcontext,
    engine: Engine | None = None,
) -> Noise:
    """Train the base commit of the DVC root `root` with its own seeds and `trainings` times with others.

    Only stages that the seeds reach are made anew, by key, so nothing is trained twice. A training that fails is left
    out; `Noise.metrics` is empty where fewer than two are left. MLflow is told of each training while it runs, and
    `deliver_seeds`, or the next run of this process, is to see to the rest. With an `engine`, the stages run on its
    machines. Raises InputError where no parameter is a seed, where none reaches a metric, or where one moves the test
    set.
    """
    place, shared = _place(root, config, base, use_remote), _shared(config, say, jobs)
    fleet: AbstractContextManager[Fleet | None] = nullcontext()
    if engine is not None:
        from pawl.scaling.fleet import open_fleet

        fleet = open_fleet(engine, jobs)
    with fleet as shared.fleet:
        return _measured(place, shared, trainings, watch)


def _measured(place: Place, shared: Shared, trainings: int, watch: Watch) -> Noise:
    from pawl.tracking.seeds import seed_runs

    config, say = place.config, shared.progress.say
    own = Training(place, shared, {}, "own seeds")
    seeds = seed_parameters(own.worker.project, config.noise.seeds)
    others = [Training(place, shared, s, f"seed {i}") for i, s in enumerate(other_seeds(seeds, trainings), 1)]
    try:
        check_evaluation_stays(own.worker.project, others[0].worker.project, seeds, config.models)
        files = _files_reached(own, others[0], config)
        if not files:
            raise InputError(f"no metric follows from {', '.join(seeds)}: name other parameters in noise.seeds.")
        say(f"noise of {place.commit[:10]}: {trainings} other seeds for {', '.join(seeds)}")
        shared.progress.expect({f"{training.title}: {name}" for training in (own, *others) for name in files})
        with seed_runs(place, place.repo, place.commit, shared.machine) as runs, watch(shared.progress):
            _take_turns((own, *others), seeds, files, shared, runs)
            made_by = {
                path: (name, own.worker.looks[name].recipe_key)
                for name, paths in files.items()
                for path in (*paths.metrics, *paths.predictions)
            }
            found = Noise(
                commit=place.commit,
                runs=tuple(NoiseRun(seeds=dict(values)) for values in (seeds, *(other.seeds for other in others))),
                metrics=spreads([training.values for training in (own, *others)], made_by),
            )
            if runs is not None:
                runs.spread(found)
            return found
    finally:
        shared.pool.stop()
        for training in others:
            training.close()


def _take_turns(
    trainings: Sequence[Training],
    own_seeds: Mapping[str, int],
    files: Mapping[str, _Files],
    shared: Shared,
    runs: SeedRuns | None,
) -> None:
    """Obtain every stage of every training, at once as far as the machine allows."""
    from pawl.pipeline.turns import take_turns

    if runs is not None and trainings[0].place.config.tracking.live:
        shared.live = runs.live
    works = [_measure(training, name, own_seeds, files, trainings, runs) for training in trainings for name in files]
    # Each training that is under way has a checkout with its data: no more of them than could train at once.
    most = shared.at_once
    take_turns(works, at_once=most if shared.fleet else min(most, max(len(shared.pool.gpus) or most, len(files))))


async def _measure(
    training: Training,
    name: str,
    own_seeds: Mapping[str, int],
    files: Mapping[str, _Files],
    everyone: Sequence[Training],
    runs: SeedRuns | None,
) -> None:
    """Obtain one stage of one training, and read what it left."""
    worker = training.worker
    stage, progress = worker.project.stage(name), worker.shared.progress
    assert stage is not None
    if runs is not None:
        runs.expect(worker.project, training.title, training.seeds or own_seeds)
    obtained = await worker.obtain(stage)
    if runs is not None:
        runs.tell(worker.project, worker.results)
    if obtained:
        training.read(files[name].metrics, files[name].predictions)
        _check_same_examples(name, files[name].predictions, everyone)
    else:
        progress.say(f"{training.title}: {name} has no result and is left out of the spread")
    progress.count(worker.label(stage))
    training.ended.add(name)
    if len(training.ended) == len(files):
        training.close()
        done = sum(len(other.ended) == len(files) for other in everyone)
        progress.say(f"{training.title} done ({done} of {len(everyone)} trainings)")


def _check_same_examples(name: str, predictions: list[str], everyone: Sequence[Training]) -> None:
    """Raise InputError where two trainings were tested on other examples: that would be no luck of the training."""
    for path in predictions:
        having = [training for training in everyone if path in training.examples]
        if len({training.examples[path] for training in having}) > 1:
            project, seeds = having[-1].worker.project, having[-1].seeds
            stage = project.stage(name)
            moving = seeds_behind(project, stage, seeds) if stage else []
            raise InputError(
                f"{path} is about other examples with another seed: of {', '.join(moving)}, leave out what decides the "
                "test set, in noise.seeds of pawl.yaml."
            )


def _files_reached(own: Training, other: Training, config: Config) -> dict[str, _Files]:
    """Stage -> its metrics and predictions, for the stages whose recipe is another with other seeds."""
    from pawl.compare.results import SideFiles
    from pawl.pipeline.project import stage_name

    project, files = own.worker.project, SideFiles(own.worker.project, {})
    outs = [project.relative(out.fs_path) for stage in project.stages for out in stage.outs if out.protocol == "local"]
    predictions = [path for path in outs if any(fnmatch.fnmatchcase(path, p) for p in config.predictions)]
    found: dict[str, _Files] = {}
    for paths, kind in ((files.metric_paths(), 0), (predictions, 1)):
        for path in paths:
            stage = files.producer(path)
            if stage is None or not stage.cmd:
                continue
            keys = {training.worker.looks[stage_name(stage)].recipe_key for training in (own, other)}
            if len(keys) == 2 or None in keys:
                found.setdefault(stage_name(stage), _Files([], []))[kind].append(path)
    return {name: paths for name, paths in found.items() if paths.metrics}


def _place(root: Path, config: Config, base: str | None, use_remote: bool) -> Place:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    from pawl.pipeline.project import one_line

    top = git.toplevel(root)
    resolved, _ = git.resolve_base(top, base or config.base)
    try:
        repo = Repo(str(root))
    except DvcException as error:
        raise InputError(f"DVC cannot read the repository in {root}: {one_line(error)}.") from error
    return Place(top, root.relative_to(top), resolved.commit, config, repo, use_remote)


def _shared(config: Config, say: Say, jobs: int | None) -> Shared:
    from pawl.pipeline.environment import describe_machine, installed_gpus, visible_gpus
    from pawl.pipeline.progress import Progress
    from pawl.pipeline.resources import Pool, default_jobs
    from pawl.pipeline.shared import Shared

    gpus = installed_gpus()
    pool = Pool(jobs or default_jobs(), visible_gpus(gpus, os.environ))
    return Shared(pool, Progress(say), describe_machine(gpus), config.resources_of)
