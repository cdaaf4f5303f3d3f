"""`comparison.json`: everything that the results of base and head say about each other."""

from __future__ import annotations

import json
from typing import Any

from pawl.compare.gate import gate
from pawl.compare.results import SideFiles, confusions, curves, metric_values
from pawl.compare.verdict import Rules, headline, judge
from pawl.pipeline.project import Project, stage_name
from pawl.schema import MAX_CHANGES, MAX_CURVES, MAX_METRICS, Comparison, ParamChange, Plan, StagePlan, Stages

_MAX_CONFUSIONS = 50


def compare(plan: Plan, stages: Stages, head: Project, base: Project | None, rules: Rules) -> Comparison:
    """Compare what `stages` left in the checkouts of `head` and `base` (None where base has no pipeline)."""
    head_files = SideFiles(head, {s.name: s for s in stages.stages if s.side == "head"})
    base_files = SideFiles(base, {s.name: s for s in stages.stages if s.side == "base"}, head_files) if base else None
    values = metric_values(base_files, head_files)
    unchanged = _unchanged_paths(plan, head_files, {path for path, _ in values})
    metrics = judge(values, rules, unchanged)
    failed = [stage.name for stage in stages.failed("head")]
    changed = bool(plan.removed_stages) or any(_differs(stage) for stage in plan.stages)
    verdict, sentence = headline(metrics, failed=failed, changed=changed, unchanged_paths=unchanged)
    passed, reason = gate(verdict, metrics, rules, unchanged)
    params = param_changes(base_files.params() if base_files else {}, head_files.params())
    drawn, tables = curves(base_files, head_files), confusions(base_files, head_files)
    notes = [*plan.notes, *_shortened(metrics, params, drawn, tables)]
    if stages.failed("base"):
        names = ", ".join(stage.name for stage in stages.failed("base")[:5])
        notes.append(f"On base {names} failed, so head has nothing to be compared with there.")
    return Comparison(
        base=plan.base,
        head=plan.head,
        overrides=plan.overrides,
        started_from=plan.started_from,
        verdict=verdict,
        headline=sentence,
        gate_passed=passed,
        gate_reason=reason,
        metrics=metrics[:MAX_METRICS],
        params=params[:MAX_CHANGES],
        curves=tuple(drawn[:MAX_CURVES]),
        confusions=tuple(tables[:_MAX_CONFUSIONS]),
        notes=tuple(notes[:100]),
    )


def param_changes(base: dict[tuple[str, str], Any], head: dict[tuple[str, str], Any]) -> tuple[ParamChange, ...]:
    """The parameters that differ, by file and key; values as short JSON."""

    def text(side: dict[tuple[str, str], Any], where: tuple[str, str]) -> str | None:
        return json.dumps(side[where], ensure_ascii=False, sort_keys=True, default=str)[:500] if where in side else None

    return tuple(
        ParamChange(path=where[0], key=where[1], base=text(base, where), head=text(head, where))
        for where in sorted(base.keys() | head.keys())
        if text(base, where) != text(head, where)
    )


def _differs(stage: StagePlan) -> bool:
    return stage.base_action == "absent" or bool(stage.causes)


def _unchanged_paths(plan: Plan, head: SideFiles, paths: set[str]) -> set[str]:
    """The metrics files whose stage has the same recipe on both sides."""
    same = {stage.name for stage in plan.stages if not _differs(stage)}
    producers = {path: head.producer(path) for path in paths}
    return {path for path, stage in producers.items() if stage is not None and stage_name(stage) in same}


def _shortened(metrics: Any, params: Any, drawn: Any, tables: Any) -> list[str]:
    """A note for each list that is longer than a report carries."""
    limits = (
        (metrics, MAX_METRICS, "metrics"),
        (params, MAX_CHANGES, "parameter changes"),
        (drawn, MAX_CURVES, "curves"),
        (tables, _MAX_CONFUSIONS, "confusion matrices"),
    )
    return [
        f"Only the first {limit} of {len(items)} {what} are shown."
        for items, limit, what in limits
        if len(items) > limit
    ]
