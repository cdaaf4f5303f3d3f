"""`comparison.json`: everything that the results of base and head say about each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pawl.compare.changed_data import data_differences
from pawl.compare.gate import gate
from pawl.compare.headline import headline
from pawl.compare.pairs import (
    evidence_of,
    grounds_of,
    matching_outputs,
    other_evaluation,
    paired_files,
)
from pawl.compare.results import SideFiles, confusions, curves, metric_values
from pawl.compare.rules import Rules
from pawl.compare.verdict import judge
from pawl.pipeline.project import Project, stage_name
from pawl.schema import (
    MAX_CHANGES,
    MAX_CURVES,
    MAX_METRICS,
    MAX_TASKS,
    Comparison,
    MetricComparison,
    ParamChange,
    Plan,
    SeedNoise,
    StagePlan,
    Stages,
)

_MAX_CONFUSIONS = 50


def compare(
    plan: Plan,
    stages: Stages,
    head: Project,
    base: Project | None,
    rules: Rules,
    rescored: Project | None = None,
) -> Comparison:
    """Compare what `stages` left in the checkouts of `head` and `base` (None where base has no pipeline).

    `rescored` is the checkout in which base's model was judged by head's evaluation, where it was.
    """
    head_files, base_files = _sides(stages, head, base, rescored)
    values = metric_values(base_files, head_files)
    sides = [side for side in (head_files, base_files) if side is not None]
    predicted, manifests = (
        dict.fromkeys(path for side in sides for path in matching_outputs(side, patterns))
        for patterns in (rules.predictions, rules.manifests)
    )
    unchanged = _unchanged_paths(plan, head_files, {*(path for path, _ in values), *predicted, *manifests})
    paired = paired_files(base_files, head_files, [path for path in predicted if path not in unchanged])
    grounds = grounds_of(paired, values, head_files, base_files)
    values |= grounds.recomputed
    again = {stage.name for stage in stages.rescored if stage.present}
    grounds.of |= other_evaluation(plan, head_files, rules.models, grounds.of, values, again)
    metrics = judge(values, rules, unchanged, grounds.of)
    failed = [stage.name for stage in stages.failed("head")]
    changed = bool(plan.removed_stages) or any(_differs(stage) for stage in plan.stages)
    verdict, sentence = headline(metrics, failed=failed, changed=changed, unchanged_paths=unchanged)
    passed, reason = gate(verdict, metrics, rules, unchanged)
    params = param_changes(base_files.params() if base_files else {}, head_files.params())
    drawn, tables = curves(base_files, head_files), confusions(base_files, head_files)
    evidence = evidence_of(paired, metrics, grounds, Path(head.root))
    data, data_notes = data_differences(base_files, head_files, [m for m in manifests if m not in unchanged])
    notes = [*plan.notes, *_shortened(metrics, params, drawn, tables, evidence, data), *data_notes]
    notes += _outdated_noise(rules, stages)
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
        evidence=evidence[:MAX_TASKS],
        data=data[:MAX_TASKS],
        noise=_noise_used(rules, metrics),
        rescored=tuple(sorted(again)),
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


def _sides(
    stages: Stages, head: Project, base: Project | None, rescored: Project | None
) -> tuple[SideFiles, SideFiles | None]:
    ours, theirs = ({s.name: s for s in stages.stages if s.side == side} for side in ("head", "base"))
    head_files = SideFiles(head, ours)
    instead = SideFiles(rescored, {s.name: s for s in stages.rescored}) if rescored else None
    return head_files, SideFiles(base, theirs, head_files, instead) if base else None


def _noise_used(rules: Rules, metrics: tuple[MetricComparison, ...]) -> SeedNoise | None:
    if rules.noise is None or all(metric.seed_sd is None for metric in metrics):
        return None
    return SeedNoise(commit=rules.noise.commit, seeds=len(rules.noise.runs))


def _outdated_noise(rules: Rules, stages: Stages) -> list[str]:
    """A note where base's stages are not those any more whose seeds were tried."""
    if rules.noise is None:
        return []
    today = {s.name: s.recipe_key for s in stages.stages if s.side == "base"}
    old = dict.fromkeys(m.stage for m in rules.noise.metrics if today.get(m.stage, m.recipe_key) != m.recipe_key)
    if not old:
        return []
    return [f"Seed luck was measured at {rules.noise.commit[:10]}; {', '.join(list(old)[:3])} changed since."]


def _differs(stage: StagePlan) -> bool:
    return stage.base_action == "absent" or bool(stage.causes)


def _unchanged_paths(plan: Plan, head: SideFiles, paths: set[str]) -> set[str]:
    """The files whose stage has the same recipe on both sides."""
    same = {stage.name for stage in plan.stages if not _differs(stage)}
    producers = {path: head.producer(path) for path in paths}
    return {path for path, stage in producers.items() if stage is not None and stage_name(stage) in same}


def _shortened(
    metrics: tuple[MetricComparison, ...], params: Any, drawn: Any, tables: Any, evidence: Any, data: Any
) -> list[str]:
    """A note for each list that is longer than a report carries."""
    limits = (
        (metrics, MAX_METRICS, "metrics"),
        (params, MAX_CHANGES, "parameter changes"),
        (drawn, MAX_CURVES, "curves"),
        (tables, _MAX_CONFUSIONS, "confusion matrices"),
        (evidence, MAX_TASKS, "predictions files"),
        (data, MAX_TASKS, "differences in data"),
    )
    return [
        f"Only the first {limit} of {len(items)} {what} are shown."
        for items, limit, what in limits
        if len(items) > limit
    ]
