"""The steps as functions: each reads what the one before wrote, and writes one file under `reports/`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from pawl import git
from pawl.schema import Comparison, Plan, Side, Stages, Tracking
from pawl.session import Session, write_file

if TYPE_CHECKING:
    from pawl.pipeline.plan import Looks
    from pawl.pipeline.progress import Progress
    from pawl.pipeline.project import Project

Say = Callable[[str], None]
Watch = Callable[["Progress"], AbstractContextManager[Any]]


def plan_step(session: Session, *, everything: bool = False, force: bool = False) -> tuple[Plan, Looks, Looks]:
    """Decide what runs, and write `plan.json`."""
    from pawl.pipeline.plan import look_over, make_plan
    from pawl.pipeline.receipts import Remote

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
    )
    write_file(session.reports, "plan.json", plan)
    return plan, head_looks, base_looks


def reproduce_step(
    session: Session,
    plan: Plan,
    head_looks: Looks,
    base_looks: Looks,
    say: Say,
    *,
    jobs: int | None = 1,
    watch: Watch = nullcontext,
) -> Stages:
    """Restore or run what the plan names, and write `stages.json`.

    Up to `jobs` stages at once, None: as many as there are cores; `watch` may show how far they are meanwhile.
    """
    from pawl.pipeline.environment import installed_gpus, visible_gpus
    from pawl.pipeline.progress import Progress
    from pawl.pipeline.receipts import Remote
    from pawl.pipeline.reproduce import reproduce
    from pawl.pipeline.resources import Pool, default_jobs
    from pawl.pipeline.worker import Shared, Worker

    forced = {s.name for s in plan.stages if s.action == "run"} if plan.force else set()
    unchanged = {s.name for s in plan.stages if s.action == "unchanged"}
    gpus = installed_gpus()
    pool = Pool(jobs or default_jobs(), visible_gpus(gpus, os.environ))
    shared = Shared(pool, Progress(say), session.config.resources_of)

    def worker(side: Side, project: Project, looks: Looks, force: set[str], same: set[str]) -> Worker:
        return Worker(
            side=side,
            project=project,
            looks=looks,
            remote=Remote(project, session.use_remote),
            reports=session.reports,
            allowed=session.config.stage_environment,
            shared=shared,
            force=frozenset(force),
            unchanged=frozenset(same),
        )

    head = worker("head", session.head, head_looks, forced, unchanged)
    base = None
    if session.base is not None and not session.is_same:
        base = worker("base", session.base, base_looks, set(), set())
    with watch(shared.progress):
        stages = reproduce(head, base, plan, gpus)
    write_file(session.reports, "stages.json", stages)
    return stages


def compare_step(session: Session, plan: Plan, stages: Stages) -> Comparison:
    """Judge the results, and write `comparison.json`."""
    from pawl.compare.comparison import compare

    comparison = compare(plan, stages, session.head, session.base, session.rules)
    write_file(session.reports, "comparison.json", comparison)
    return comparison


def track_step(session: Session, stages: Stages, comparison: Comparison, say: Say) -> Tracking:
    """Log what was trained to MLflow, and write `tracking.json`. A server that does not answer stops nothing."""
    from pawl.tracking.log import track

    tracking = track(session, stages, comparison, say)
    write_file(session.reports, "tracking.json", tracking)
    return tracking
