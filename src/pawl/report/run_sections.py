"""The sections of the comment about the run: what changed, stages, tracking, failures, notes, how to reproduce it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pawl.report.budget import Section
from pawl.report.escape import address_host, code, code_cell, fence, one_line, prose, safe_address
from pawl.report.markdown import bullets, folded, table
from pawl.report.numbers import NOTHING, show_bytes, show_count, show_seconds
from pawl.report.stage_rows import StageRow, stage_notes, stage_rows
from pawl.report.verdict import failed_stages
from pawl.schema import Cause, Comparison, ParamChange, Plan, StagePlan, Stages, Tracking

_OUTCOME_MARKS = {"trained": "🔨", "restored": "♻️", "unchanged": "▫️", "failed": "❌", "skipped": "⏭️"}


def _value(value: str | None) -> str:
    return "*absent*" if value is None else code_cell(value, 60)


def _param_row(change: ParamChange) -> list[str]:
    key = code_cell(change.key, 80)
    if change.path != "params.yaml":
        key += f" <sub>in</sub> {code_cell(change.path, 60)}"
    return [key, _value(change.base), _value(change.head)]


def _cause(cause: Cause) -> str:
    text = f"{cause.kind} {code(cause.what, 100)}"
    if cause.kind in ("params", "environment", "command") and (cause.base is not None or cause.head is not None):
        before = "*absent*" if cause.base is None else code(cause.base, 40)
        after = "*absent*" if cause.head is None else code(cause.head, 40)
        text += f" {before} → {after}"
    return text


def _stage_causes(stage: StagePlan, most: int) -> str:
    said = [_cause(cause) for cause in stage.causes[:most]]
    if len(stage.causes) > most:
        said.append(f"{len(stage.causes) - most} more")
    return f"{code(stage.name)}: {', '.join(said)}"


def changes_section(plan: Plan, comparison: Comparison) -> Section:
    """Parameters that differ, and for each stage the inputs that made it run."""
    params, overrides = comparison.params, comparison.overrides or plan.overrides
    caused = [stage for stage in plan.stages if stage.causes]
    if not (params or caused or plan.removed_stages or overrides):
        return Section("what changed", ("",))

    def form(most_params: int, most_stages: int, most_causes: int) -> str:
        parts = ["#### What changed"]
        if params:
            rows = [_param_row(change) for change in params[:most_params]]
            parts.append(table(["Parameter", "Base", "Head"], "lll", rows))
            if len(params) > most_params:
                parts.append(f"and {len(params) - most_params:,} more parameters")
        items = [_stage_causes(stage, most_causes) for stage in caused[:most_stages]]
        if len(caused) > most_stages:
            items.append(f"and {len(caused) - most_stages:,} more stages")
        if plan.removed_stages:
            names = ", ".join(code(name) for name in plan.removed_stages[:most_causes])
            more = (
                f" and {len(plan.removed_stages) - most_causes:,} more"
                if len(plan.removed_stages) > most_causes
                else ""
            )
            items.append(f"removed: {names}{more}")
        if overrides:
            names = ", ".join(code(text, 100) for text in overrides[:most_causes])
            more = f" and {len(overrides) - most_causes:,} more" if len(overrides) > most_causes else ""
            items.append(f"set for this run: {names}{more}")
        if items:
            parts.append(bullets(items))
        return "\n\n".join(parts)

    return Section("what changed", (form(40, 20, 6), form(10, 5, 3), ""))


def _outcome(outcome: str, seconds: float | None) -> str:
    if outcome not in _OUTCOME_MARKS:
        return outcome or NOTHING
    took = show_seconds(seconds) if outcome in ("trained", "failed") else ""
    return f"{_OUTCOME_MARKS[outcome]} {outcome}{' ' + took if took else ''}"


def _stage_row(row: StageRow) -> list[str]:
    return [
        code_cell(row.name, 60),
        _outcome(row.base, row.base_seconds),
        _outcome(row.head, row.head_seconds),
        show_bytes(row.peak_memory_bytes) or NOTHING,
    ]


def _machine(stages: Stages) -> str:
    machine = stages.machine
    return (
        f"{show_seconds(stages.seconds) or '0 s'} in all, on {code(machine.device, 80)} with "
        f"{show_count(machine.cpu_count)} CPUs and {show_bytes(machine.memory_bytes) or 'unknown'} of memory, "
        f"Python {code(machine.python, 20)}."
    )


def _tracked(tracking: Tracking | None, most: int) -> str:
    if tracking is None or tracking.status == "off":
        return ""
    if tracking.status == "failed":
        return f"MLflow was not reached: {prose(tracking.reason, 300)}"
    addresses = [(run, address) for run in tracking.runs if (address := safe_address(run.url))]
    linked = [f"[{prose(run.stage, 60)} ({run.side})]({address})" for run, address in addresses]
    more = f" and {len(linked) - most:,} more" if len(linked) > most else ""
    experiment = f"MLflow experiment {code(tracking.experiment, 60)}"
    if not linked:
        where = f" in {code(tracking.uri, 80)}" if tracking.uri else ""
        return f"{experiment}{where}: {len(tracking.runs):,} runs"
    # The hosts that the links lead to, because their texts do not say it.
    hosts = sorted({address_host(address) for _, address in addresses[:most]})
    return f"{experiment} on {', '.join(code(host) for host in hosts)}: {', '.join(linked[:most])}{more}"


def stages_section(plan: Plan, stages: Stages | None, tracking: Tracking | None) -> Section:
    """What happened to each stage on both sides, what it took, and where its MLflow run is."""
    rows = stage_rows(plan, stages)
    if not rows and stages is None:
        return Section("stages", ("",))
    busy = [row for row in rows if not row.idle]
    noted = list(stage_notes(plan, stages).items())

    def form(most_rows: int, most_notes: int, most_links: int) -> str:
        parts = ["#### Stages" if stages else "#### Stages (planned, not run)"]
        if busy:
            shown = [_stage_row(row) for row in busy[:most_rows]]
            parts.append(table(["Stage", "Base", "Head", "Peak memory"], "lllr", shown))
        quiet = len(rows) - len(busy)
        hidden = len(busy) - most_rows
        counts = [f"{hidden:,} more stages"] if hidden > 0 else []
        counts += [f"{quiet:,} {'stage' if quiet == 1 else 'stages'} unchanged"] if quiet else []
        said = [", ".join(counts) + "."] if counts else []
        said += [_machine(stages)] if stages else []
        parts.append(" ".join(said))
        notes = [f"{code(name)}: {prose(note, 300)}" for name, note in noted[:most_notes]]
        if len(noted) > most_notes:
            notes.append(f"and {len(noted) - most_notes:,} more notes")
        parts += [bullets(notes)] if notes else []
        parts += [_tracked(tracking, most_links)]
        return "\n\n".join(part for part in parts if part)

    return Section("stages", (form(40, 12, 12), form(8, 4, 4), ""))


def failure_section(stages: Stages | None) -> Section:
    """What the failed stages printed last, and where the rest of it is."""
    failed = failed_stages(stages)
    if not failed:
        return Section("logs", ("",))

    def form(most_stages: int, most_lines: int, most_units: int) -> str:
        parts = []
        for result in failed[:most_stages]:
            ended = "" if result.exit_code is None else f", exit code {show_count(result.exit_code)}"
            where = f"; all of it is in {code('reports/' + result.log, 120)}" if result.log else ""
            parts.append(f"#### ❌ {result.side}: {code(result.name)}{ended}\n\nThe end of its output{where}.")
            if result.log_tail.strip() and most_lines:
                parts.append(fence(result.log_tail, most_lines=most_lines, most_units=most_units))
        if len(failed) > most_stages:
            parts.append(f"and {len(failed) - most_stages:,} more failed stages")
        return "\n\n".join(parts)

    return Section("logs", (form(3, 30, 6_000), form(1, 12, 2_000), form(1, 0, 0)))


def all_notes(plan: Plan, comparison: Comparison) -> list[str]:
    """The notes of all steps, each once."""
    return list(dict.fromkeys((*plan.notes, *comparison.notes)))


def notes_section(notes: Sequence[str]) -> Section:
    """Anything else that a reviewer should know."""
    if not notes:
        return Section("notes", ("",))

    def form(most: int, limit: int) -> str:
        items = [prose(note, limit) for note in notes[:most]]
        if len(notes) > most:
            items.append(f"and {len(notes) - most} more")
        return "#### Notes\n\n" + bullets(items)

    return Section("notes", (form(12, 600), form(4, 200), ""))


def reproduce_lines(comparison: Comparison) -> str:
    """The commands that give the same result on another machine."""
    options = "".join(f" --set {shlex.quote(one_line(text, 2_000))}" for text in comparison.overrides)
    head, base = comparison.started_from or comparison.head.commit, comparison.base.commit
    commits = dict.fromkeys((base, head))
    return f"git fetch origin {' '.join(commits)}\ngit checkout --detach {head}\npawl run --base {base}{options}"


def reproduce_section(comparison: Comparison) -> Section:
    """How to get the same result on another machine."""
    block = fence(reproduce_lines(comparison), info="sh", most_lines=10, most_units=6_000)
    return Section("how to reproduce it", (folded("<b>Reproduce locally</b>", block), ""))


def footer(comparison: Comparison) -> Section:
    """Which commits this is about. GitHub links a whole commit id by itself."""
    base, head = comparison.base, comparison.head
    text = f"<sub>{code(head.name, 60)} {head.commit} against {code(base.name, 60)} {base.commit}</sub>"
    return Section("footer", (text,))
