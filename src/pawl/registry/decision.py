"""Whether a model becomes champion: the gate, for the metrics that speak of this model alone."""

from __future__ import annotations

import re

from pawl.compare.gate import gate
from pawl.compare.headline import describe, headline
from pawl.compare.results import SideFiles
from pawl.errors import InputError
from pawl.pipeline.project import stage_name
from pawl.registry.packages import Package, digest_of, judging_stages, makers
from pawl.schema import Comparison, MetricComparison, Plan, Stages
from pawl.schema.promotion import MAX_METRICS_OF_MODEL, AskedModel, Decision, PromotedMetric, PromotedModel
from pawl.session import Session


def decide(
    session: Session, asked: AskedModel, package: Package, plan: Plan, stages: Stages, comparison: Comparison
) -> PromotedModel:
    """What becomes of the model, by a comparison whose base is its champion's commit, where it has one."""
    digest = digest_of(session.head, package.path)
    if digest is None:
        raise InputError(f"{package.path} has no result: {package.stage} did not run; run `pawl reproduce` to see why.")
    rows = _rows(session, package, comparison)
    decision, why = _decision(session, asked, digest, rows, plan)
    results = {result.name: result for result in stages.stages if result.side == "head"}
    made = [results[stage_name(stage)] for stage in makers(session.head, package, session.rules.models)]
    own = results.get(package.stage)
    return PromotedModel(
        name=asked.name,
        path=package.path,
        stage=package.stage,
        package=digest,
        stage_key=own.stage_key if own else None,
        data_digest=made[0].data_digest if made else None,
        champion=asked.champion,
        metrics=tuple(_as_promoted(row) for row in rows[:MAX_METRICS_OF_MODEL]),
        decision=decision,
        why=why[:2_000],
    )


def _rows(session: Session, package: Package, comparison: Comparison) -> tuple[MetricComparison, ...]:
    """The metrics of the stages that judge the package's model, on either side."""
    names = judging_stages(session.head, package, session.rules.models)
    sides = [SideFiles(project, {}) for project in (session.head, session.base) if project is not None]

    def belongs(path: str) -> bool:
        producers = (side.producer(path) for side in sides)
        return any(stage is not None and stage.cmd and stage_name(stage) in names for stage in producers)

    return tuple(row for row in comparison.metrics if belongs(row.path))


def _decision(
    session: Session, asked: AskedModel, digest: str, rows: tuple[MetricComparison, ...], plan: Plan
) -> tuple[Decision, str]:
    champion = asked.champion
    if champion is not None and champion.package == digest:
        return "unchanged", f"version {champion.version}, the champion, is this very package"
    if digest in asked.rolled_back:
        return (
            "candidate",
            "this very package was champion and was taken back: change it, and promote what comes of that",
        )
    if champion is not None and not asked.measurable:
        return "candidate", (
            f"the champion's commit {champion.commit[:10]} is not in this commit's history, so nothing can be measured "
            "beside it: `pawl promote --rollback` takes it back"
        )
    same = {stage.name for stage in plan.stages if stage.base_action != "absent" and not stage.causes}
    files = SideFiles(session.head, {})
    producers = {row.path: files.producer(row.path) for row in rows}
    unchanged = {path for path, stage in producers.items() if stage is not None and stage_name(stage) in same}
    verdict, sentence = headline(rows, failed=[], changed=True, unchanged_paths=unchanged)
    passed, reason = gate(verdict, rows, session.rules, unchanged)
    reason = re.sub(r"\bbase\b", "the champion", reason)
    if not passed:
        return "candidate", reason
    if champion is None:
        return "champion", "there is no champion yet, and it meets what pawl.yaml demands of a model by itself"
    return "champion", f"{reason}; {sentence.rstrip('.')}" if session.rules.has_primary else reason


def _as_promoted(row: MetricComparison) -> PromotedMetric:
    return PromotedMetric(
        name=row.name,
        path=row.path,
        key=row.key,
        base=row.base,
        head=row.head,
        verdict=row.verdict,
        primary=row.primary,
        told=describe(row)[:2_000],
    )
