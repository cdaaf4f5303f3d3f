"""Base's model judged by head's evaluation on head's test set, where the two sides' evaluations are not the same.

A stage of head that follows from a model is run once more in a checkout of head's commit, in which the model, with what
its stage makes beside it, is base's and all else is head's. Its key is the run-cache key of just that, so the result is
restored if anyone ever made it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl import git
from pawl.errors import InputError
from pawl.pipeline.checkout import checkout_at, share_settings, state_folder
from pawl.pipeline.evaluation import evaluating_stages, evaluation_keys, leading_to_results, made_with_models
from pawl.pipeline.plan import Look, look_over
from pawl.pipeline.project import Project, open_project, stage_name
from pawl.pipeline.remote import Remote
from pawl.pipeline.shared import Shared
from pawl.pipeline.turns import take_turns
from pawl.pipeline.worker import Worker
from pawl.schema import StageResult

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_FOLDER = "rescore"


def rescore(
    head: Worker, base: Worker, shared: Shared, top: Path, patterns: Sequence[str], predictions: Sequence[str]
) -> tuple[StageResult, ...]:
    """Run head's evaluating stages with base's models where they differ from base's in anything but the model.

    `head` and `base` have done their work; `shared` is for what is to be done; the checkout lies under `.pawl/` of
    `top`; `patterns` name the models (as in a shell, over paths), `predictions` likewise what is compared beside
    metrics and plots: a stage that leads to none of them is not run. What came of each stage, with base as its side;
    nothing is trained, but for a model of base that nobody has. What is measured on head must be a commit.
    """
    results = leading_to_results(head.project, predictions)
    wanted = [name for name in _differing(head, base, patterns) if name in results]
    if not wanted:
        return ()
    assert head.commit is not None
    shared.progress.say(f"rescore: {', '.join(wanted)} of head with base's model")
    project = _open(head.project, head.commit, top)
    worker = _worker_like(head, shared, project, "rescored base", head.commit)
    again = _worker_like(base, shared, base.project, "base", base.commit)
    for stage in evaluating_stages(project, patterns):
        worker.looks[stage_name(stage)] = Look(stage)  # whatever was known of it was of head's model
    shared.progress.expect({worker.label(stage) for stage in project.stages if stage_name(stage) in wanted})
    try:
        take_turns([_give_models(worker, again, wanted, patterns)])
        take_turns([_judge(worker, name) for name in wanted], at_once=shared.pool.cpus)
    finally:
        worker.lock_file.write()
        shared.pool.stop()
    return tuple(worker.results[name] for name in wanted)


def rescored_project(head: Project, commit: str, top: Path) -> Project:
    """The checkout in which `rescore` left what it made, for reading. Raises InputError where it is another's."""
    root = _root(head, top)
    if not root.is_dir() or git.commit_of(root, "HEAD") != commit:
        raise InputError(f"{root} does not hold what was rescored for {commit[:10]}: run `pawl reproduce --rescore`.")
    return open_project(root)


def _differing(head: Worker, base: Worker, patterns: Sequence[str]) -> list[str]:
    """The evaluating stages of head with a result, whose code, parameters or data are not base's."""
    ours, theirs = evaluation_keys(head.project, patterns), evaluation_keys(base.project, patterns)
    found = []
    for name, key in ours.items():
        recipe, before = head.looks[name].recipe_key, base.looks.get(name)
        same_recipe = recipe is not None and before is not None and before.recipe_key == recipe
        result = head.results.get(name)
        if not same_recipe and (key is None or theirs.get(name) != key) and result is not None and result.present:
            found.append(name)
    return found


async def _give_models(worker: Worker, base: Worker, wanted: list[str], patterns: Sequence[str]) -> None:
    """Put base's models where head's stages expect theirs; a stage that lacks one is left out."""
    for name in wanted:
        for path in _models_behind(worker.project, name, patterns):
            if not await _give_model(worker, base, path):
                stage = worker.project.stage(name)
                assert stage is not None
                worker.shared.progress.say(f"{worker.label(stage)} is left out: base has no {path}")
                worker.skip(stage)
                break


async def _give_model(worker: Worker, base: Worker, path: str) -> bool:
    source = base.project.producers.get(os.path.join(base.project.root, path))
    if source is None or not source.stage.cmd or not await base.obtain(source.stage):
        return False
    project, known = worker.project, base.project.known[source.fs_path]
    out = project.producers[os.path.join(project.root, path)]
    worker.take(out.stage)
    with project.repo.lock:
        out.hash_info, out.meta, out.obj = known.hash_info, known.meta, None
        out.checkout(force=True)
    project.known[out.fs_path] = out
    return True


async def _judge(worker: Worker, name: str) -> None:
    stage = worker.project.stage(name)
    assert stage is not None
    await worker.obtain(stage)
    worker.shared.progress.count(worker.label(stage))


def _models_behind(project: Project, name: str, patterns: Sequence[str]) -> list[str]:
    """What the stage follows from, at first or second hand, of models and what is made with them; project's paths."""
    models = made_with_models(project, patterns)
    judging = {stage_name(stage): stage for stage in evaluating_stages(project, patterns)}
    found: dict[str, None] = {}

    def visit(stage: PipelineStage) -> None:
        for out in (out for dep in stage.deps for out in project.sources_of(dep)):
            if out.fs_path in models:
                found[project.relative(out.fs_path)] = None
            elif stage_name(out.stage) in judging:
                visit(out.stage)

    visit(judging[name])
    return list(found)


def _open(head: Project, commit: str, top: Path) -> Project:
    """Head's commit in a checkout of its own, with the records of what was just made on head."""
    head_top = git.toplevel(head.root)
    root = _root(head, top)
    checkout_at(state_folder(top) / _FOLDER, head_top, commit)
    share_settings(head.repo, root)
    for stage in head.stages:
        lock = Path(stage.path).with_suffix(".lock")
        if lock.exists():
            shutil.copyfile(lock, root / head.relative(str(lock)))
    project = open_project(root)
    project.repo.lock._wait = True  # a command may be DVC itself, and hold the lock for long
    return project


def _root(head: Project, top: Path) -> Path:
    return top / ".pawl" / _FOLDER / head.root.resolve().relative_to(git.toplevel(head.root).resolve())


def _worker_like(worker: Worker, shared: Shared, project: Project, title: str, commit: str | None) -> Worker:
    remote = Remote(project, worker.remote.enabled)
    return Worker(
        side="base",
        project=project,
        looks=worker.looks if project is worker.project else look_over(project, remote),
        remote=remote,
        reports=worker.reports,
        allowed=worker.allowed,
        shared=shared,
        commit=commit,
        title=title,
    )
