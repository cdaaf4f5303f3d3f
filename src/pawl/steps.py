"""The steps as functions: each reads what the one before wrote, and writes one file under `reports/`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pawl import git
from pawl.errors import InputError
from pawl.schema import Comparison, Plan, Rate, Side, Stages, Tracking
from pawl.session import Session, write_file

if TYPE_CHECKING:
    from pawl.pipeline.plan import Looks
    from pawl.pipeline.progress import Progress
    from pawl.pipeline.project import Project
    from pawl.scaling.fleet import Engine, Fleet

Say = Callable[[str], None]
Watch = Callable[["Progress"], AbstractContextManager[Any]]


def plan_step(session: Session, *, everything: bool = False, force: bool = False) -> tuple[Plan, Looks, Looks]:
    """Decide what runs, and write `plan.json`."""
    from pawl.pipeline.environment import describe_machine
    from pawl.pipeline.plan import look_over, make_plan
    from pawl.pipeline.remote import Remote

    head_looks = look_over(session.head, Remote(session.head, session.use_remote))
    base_looks = head_looks
    if not session.is_same:
        base_looks = look_over(session.base, Remote(session.base, session.use_remote)) if session.base else {}
    plan = make_plan(
        session.head,
        head_looks,
        session.base,
        base_looks,
        revisions=(session.base_revision, session.head_revision),
        changed_files=session.changed_files,
        overrides=session.overrides,
        started_from=git.commit_of(session.root, "HEAD") if session.overrides else None,
        everything=everything,
        force=force,
        notes=session.notes,
        machine=cache(describe_machine),
    )
    write_file(session.reports, "plan.json", plan)
    return plan, head_looks, base_looks


def pull_step(session: Session, plan: Plan, head_looks: Looks, base_looks: Looks, say: Say, *, rescored: bool) -> int:
    """Bring here what `reproduce` will restore or read; how many results that is. Afterwards it needs no remote."""
    from pawl.pipeline.pull import pull
    from pawl.pipeline.remote import Remote

    actions = {stage.name: stage.action for stage in plan.stages}
    found = pull(session.head, head_looks, Remote(session.head, session.use_remote), actions, say)
    if session.base is not None and not session.is_same:
        of_base = {stage.name: stage.base_action for stage in plan.stages if stage.base_action != "absent"}
        remote = Remote(session.base, session.use_remote)
        found += pull(session.base, base_looks, remote, of_base, say, everything=rescored)
    return found


def push_step(session: Session, say: Say, *, pull_requests: bool = False) -> int:
    """Send head's results and their receipts to the remote; how many stages' they are.

    With `pull_requests` to the remote that pull requests have of their own, and base's results too, since nobody else
    may have them.
    """
    from pawl.pipeline.plan import look_over
    from pawl.pipeline.push import push
    from pawl.pipeline.remote import Remote

    if session.is_dirty:
        raise InputError("these results belong to no commit: commit the changes, and reproduce them.")
    sent = 0
    sides = {id(side): side for side in (session.head, session.base if pull_requests else None) if side is not None}
    for project in sides.values():
        # Only what this machine has made or restored is sent, so the remote is not asked for receipts.
        looks = look_over(project, Remote(project, enabled=False))
        sent += push(project, looks, Remote(project, session.use_remote, pull_requests), say)
    return sent


def reproduce_step(
    session: Session,
    plan: Plan,
    head_looks: Looks,
    base_looks: Looks,
    say: Say,
    *,
    jobs: int | None = 1,
    watch: Watch = nullcontext,
    rescored: bool = False,
    tracked: bool = False,
    engine: Engine | None = None,
) -> Stages:
    """Restore or run what the plan names, and write `stages.json`.

    Up to `jobs` stages at once, None: as many as there are cores; `watch` may show how far they are meanwhile. With an
    `engine`, stages run on its machines and not here. With
    `rescored`, base's model is judged by head's evaluation too where base's own is another. With `tracked`, MLflow is
    told of stages while they run, and `track_step` is to tell it the rest.
    """
    from pawl.pipeline.environment import describe_machine, installed_gpus, visible_gpus
    from pawl.pipeline.orphans import no_orphans
    from pawl.pipeline.progress import Progress
    from pawl.pipeline.remote import Remote
    from pawl.pipeline.reproduce import reproduce
    from pawl.pipeline.rescore import rescore
    from pawl.pipeline.resources import Pool, default_jobs
    from pawl.pipeline.shared import Shared
    from pawl.pipeline.worker import Worker
    from pawl.tracking.session import live_tracking

    if rescored and session.is_dirty:
        raise InputError("--rescore runs what head's commit has, and head has uncommitted changes: commit them.")
    if engine is not None and session.is_dirty:
        raise InputError("other machines run what is committed, and there are uncommitted changes: commit them.")
    forced = {s.name for s in plan.stages if s.action == "run"} if plan.force else set()
    unchanged = {s.name for s in plan.stages if s.action == "unchanged"}
    gpus = installed_gpus()
    pool = Pool(jobs or default_jobs(), visible_gpus(gpus, os.environ))
    shared = Shared(pool, Progress(say), describe_machine(gpus), session.config.resources_of)
    trains = any("run" in (stage.action, stage.base_action) for stage in plan.stages)

    def worker(
        side: Side, project: Project, looks: Looks, commit: str | None, force: set[str], same: set[str]
    ) -> Worker:
        return shared.worker_type()(
            side=side,
            project=project,
            looks=looks,
            remote=Remote(project, session.use_remote),
            reports=session.reports,
            allowed=session.rules.stage_environment,
            shared=shared,
            force=frozenset(force),
            unchanged=frozenset(same),
            commit=commit,
        )

    cost = session.config.cost
    rate = Rate(per_hour=cost.per_hour, currency=cost.currency) if cost else None
    # Delivery to MLflow is begun before the stages, and outlives them: it is none of their orphans.
    live = live_tracking(session, shared.machine, trains=trains) if tracked else nullcontext()
    fleet: AbstractContextManager[Fleet | None] = nullcontext()
    if engine is not None and trains:
        from pawl.scaling.fleet import open_fleet

        fleet = open_fleet(engine, jobs)
    with live as shared.live, fleet as shared.fleet, no_orphans(), watch(shared.progress):
        head_commit = None if session.is_dirty else plan.head.commit
        head = worker("head", session.head, head_looks, head_commit, forced, unchanged)
        base = None
        if session.base is not None and not session.is_same:
            base = worker("base", session.base, base_looks, plan.base.commit, set(), set())
        stages = reproduce(head, base, plan, rate)
        if rescored and base is not None:
            again = replace(shared, pool=Pool(pool.cpus, pool.gpus), making={}, live=None, fleet=None)
            rules = session.rules
            results = rescore(head, base, again, git.toplevel(session.root), rules.models, rules.predictions)
            stages = stages.model_copy(update={"rescored": results})
    write_file(session.reports, "stages.json", stages)
    return stages


def compare_step(session: Session, plan: Plan, stages: Stages) -> Comparison:
    """Judge the results, and write `comparison.json`."""
    from pawl.compare.comparison import compare

    rescored = None
    if stages.rescored:
        from pawl.pipeline.rescore import rescored_project

        rescored = rescored_project(session.head, plan.head.commit, git.toplevel(session.root))
    comparison = compare(plan, stages, session.head, session.base, session.rules, rescored)
    write_file(session.reports, "comparison.json", comparison)
    return comparison


def track_step(session: Session, stages: Stages, comparison: Comparison, say: Say) -> Tracking:
    """Tell MLflow of the results, and write `tracking.json`. A server that does not answer stops nothing."""
    from pawl.tracking.track import track

    tracking = track(session, stages, comparison, say)
    write_file(session.reports, "tracking.json", tracking)
    return tracking


def end_tracking(session: Session, tracking: Tracking) -> None:
    """Give MLflow the report too, where there is one, and wait until it has all."""
    from pawl.tracking.track import finish

    finish(session, tracking)
