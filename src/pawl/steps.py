"""The steps as functions: each reads what the one before wrote, and writes one file under `reports/`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pawl import git
from pawl.schema import Comparison, Plan, Side, Stages, Tracking
from pawl.session import Session, write_file

if TYPE_CHECKING:
    from pawl.pipeline.plan import Looks
    from pawl.pipeline.project import Project

Say = Callable[[str], None]


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


def reproduce_step(session: Session, plan: Plan, head_looks: Looks, base_looks: Looks, say: Say) -> Stages:
    """Restore or run what the plan names, and write `stages.json`."""
    from pawl.pipeline.receipts import Remote
    from pawl.pipeline.reproduce import Worker, reproduce

    forced = {s.name for s in plan.stages if s.action == "run"} if plan.force else set()
    unchanged = {s.name for s in plan.stages if s.action == "unchanged"}

    def worker(side: Side, project: Project, looks: Looks, force: set[str], same: set[str]) -> Worker:
        return Worker(
            side=side,
            project=project,
            looks=looks,
            remote=Remote(project, session.use_remote),
            reports=session.reports,
            allowed=session.config.stage_environment,
            say=say,
            force=frozenset(force),
            unchanged=frozenset(same),
        )

    head = worker("head", session.head, head_looks, forced, unchanged)
    base = None
    if session.base is not None and not session.is_same:
        base = worker("base", session.base, base_looks, set(), set())
    stages = reproduce(head, base, plan)
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
