"""The section of the comment about what changed: why each stage ran, how the data differ, which predictions moved."""

from __future__ import annotations

from pawl.report.budget import Section
from pawl.report.data_section import counts_line
from pawl.report.escape import code, code_cell
from pawl.report.intervals import show_p
from pawl.report.markdown import bullets, folded, table
from pawl.report.numbers import show_count
from pawl.schema import Cause, Comparison, Evidence, ParamChange, Plan, StagePlan

_SHOWN_VALUES = ("params", "environment", "command")
PLAIN_PARAMS = "params.yaml"
MOST_PARAMS_OPEN = 6


def _cause(cause: Cause) -> str:
    what = cause.what.removeprefix(f"{PLAIN_PARAMS}:") if cause.kind == "params" else cause.what
    text = f"{cause.kind} {code(what, 80)}"
    if cause.kind in _SHOWN_VALUES and (cause.base is not None or cause.head is not None):
        before = "*absent*" if cause.base is None else code(cause.base, 40)
        after = "*absent*" if cause.head is None else code(cause.head, 40)
        text += f" {before} → {after}"
    return text


def stage_causes(stage: StagePlan, most: int) -> str:
    """Why one stage differs from base's: up to `most` of its own causes."""
    own = [cause for cause in stage.causes if cause.kind != "upstream"]
    said = [_cause(cause) for cause in own[:most]]
    if len(own) > most:
        said.append(f"{len(own) - most} more")
    return f"{code(stage.name, 60)}: {', '.join(said)}"


def _named(names: list[str], most: int) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(code(name, 60) for name in names[:most]) + more


def _flipped(evidence: Evidence) -> str:
    flips, test = evidence.flips, evidence.mcnemar
    if flips is None:
        return ""
    counts = f"{show_count(flips.broken)} newly wrong, {show_count(flips.fixed)} newly right"
    tested = f" (McNemar {show_p(test.p_value)})" if test and flips.broken + flips.fixed else ""
    return f"predictions of {code(evidence.name, 40)}: of {show_count(evidence.paired)} examples {counts}{tested}"


def changes_section(plan: Plan, comparison: Comparison) -> Section:
    """For each stage the inputs that made it run, what follows from them, the data, and the predictions that moved."""
    overrides = list(comparison.overrides or plan.overrides)
    differing = [stage for stage in plan.stages if stage.causes]
    caused = [stage for stage in differing if any(cause.kind != "upstream" for cause in stage.causes)]
    following = [stage.name for stage in differing if all(cause.kind == "upstream" for cause in stage.causes)]
    data = [counts_line(difference) for difference in comparison.data[:10]]
    flipped = [said for said in map(_flipped, comparison.evidence[:10]) if said]
    if not (caused or following or plan.removed_stages or overrides or data or flipped):
        return Section("what changed", ("",))

    def form(most_stages: int, most_causes: int, most_data: int) -> str:
        items = [stage_causes(stage, most_causes) for stage in caused[:most_stages]]
        if len(caused) > most_stages:
            items.append(f"and {len(caused) - most_stages:,} more stages")
        if following:
            items.append(f"and what follows from these: {_named(following, most_causes)}")
        if plan.removed_stages:
            items.append(f"removed: {_named(list(plan.removed_stages), most_causes)}")
        if overrides:
            items.append(f"set for this run: {_named(overrides, most_causes)}")
        items += [f"data of {line}" for line in data[:most_data]]
        items += flipped[:most_data]
        return "#### What changed\n\n" + bullets(items)

    return Section("what changed", (form(12, 6, 6), form(5, 3, 2), form(2, 2, 1), ""))


def _value(value: str | None) -> str:
    return "*absent*" if value is None else code_cell(value, 60)


def _param_row(change: ParamChange) -> list[str]:
    key = code_cell(change.key, 80)
    if change.path != PLAIN_PARAMS:
        key += f" <sub>in</sub> {code_cell(change.path, 60)}"
    return [key, _value(change.base), _value(change.head)]


def params_section(plan: Plan, comparison: Comparison) -> Section:
    """Every parameter that differs, where they are more than `what changed` names."""
    params = comparison.params
    named = {cause.what for stage in plan.stages[:12] for cause in stage.causes[:MOST_PARAMS_OPEN]}
    if all(f"{change.path}:{change.key}" in named for change in params):
        return Section("parameters", ("",))

    def form(most: int) -> str:
        body = table(["Parameter", "Base", "Head"], "lll", [_param_row(change) for change in params[:most]])
        if len(params) > most:
            body += f"\n\nand {len(params) - most:,} more parameters"
        return folded(f"<b>Parameters</b> ({len(params)})", body)

    return Section("parameters", (form(60), form(12), ""))
