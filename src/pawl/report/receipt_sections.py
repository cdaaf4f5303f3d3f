"""The sections of the comment about the runs behind both columns: their receipts, and what they cost."""

from __future__ import annotations

from collections.abc import Callable

from pawl.report.budget import Section
from pawl.report.costs import all_results, cost_words, is_costed, used
from pawl.report.escape import address_host, code, code_cell, prose, safe_address
from pawl.report.markdown import folded, table
from pawl.report.numbers import NOTHING, show_bytes, show_energy, show_seconds
from pawl.schema import Plan, StageResult, Stages, TrackedRun, Tracking, Usage

_OUTCOMES = {
    "trained": "🔨 trained",
    "restored": "♻️ restored",
    "unchanged": "▫️ unchanged",
    "failed": "❌ failed",
    "skipped": "⏭️ skipped",
}
_COLUMNS: tuple[tuple[str, Callable[[Usage], str]], ...] = (
    ("Time", lambda usage: show_seconds(usage.seconds)),
    ("Peak memory", lambda usage: show_bytes(usage.peak_memory_bytes)),
    ("GPU time", lambda usage: show_seconds(usage.gpu_seconds)),
    (
        "GPU use",
        lambda usage: "" if usage.gpu_utilisation is None else f"{100 * min(usage.gpu_utilisation, 1e3):.0f} %",
    ),
    ("GPU memory", lambda usage: show_bytes(usage.gpu_peak_memory_bytes)),
    ("Energy", lambda usage: show_energy(usage.energy_joules)),
)


def outcome_words(outcome: str) -> str:
    """What happened to a stage, with its mark; other words as they are."""
    return _OUTCOMES.get(outcome, outcome or NOTHING)


def _digest(text: str | None) -> str:
    return code(text[:12]) if text else NOTHING


def _run(run: TrackedRun | None) -> str:
    if run is None:
        return NOTHING
    address = safe_address(run.url)
    name = code_cell(run.run_id[:8])
    return f"[{name}]({address})" if address else name


def _seeds(result: StageResult) -> str:
    return (
        ", ".join(code_cell(f"{key.rpartition(':')[2]}={value}", 40) for key, value in result.seeds.items()) or NOTHING
    )


def _receipt(result: StageResult, side: str, stages: Stages, run: TrackedRun | None) -> list[str]:
    """The run that made a result: this one, or the one that is on record."""
    origin = result.origin
    here = result.outcome == "trained"
    revision = stages.head if result.side == "head" else stages.base
    commit = origin.commit if origin else revision.commit if here else None
    device = origin.device if origin else stages.machine.device if here else None
    environment = origin.environment_digest if origin else stages.machine.environment_digest if here else None
    return [
        code_cell(result.name, 50),
        side,
        outcome_words(result.outcome),
        code(commit[:7]) if commit else NOTHING,
        _digest(result.stage_key),
        _digest(result.data_digest),
        _seeds(result),
        _digest(environment),
        code_cell(device, 40) if device else NOTHING,
        _run(run),
    ]


def receipts_section(plan: Plan, stages: Stages | None, tracking: Tracking | None) -> Section:
    """For each stage of both sides, which run its result is from; rows of stages that are missing on base say so."""
    if stages is None or not stages.stages:
        return Section("receipts", ("",))
    runs = {(run.stage, run.side): run for run in (tracking.runs if tracking else ())}
    order = {stage.name: place for place, stage in enumerate(plan.stages)}
    results = sorted(
        all_results(stages),
        key=lambda pair: (pair[0].outcome == "unchanged", order.get(pair[0].name, len(order)), pair[1]),
    )
    absent = [stage.name for stage in plan.stages if stage.base_action == "absent"]
    header = ["Stage", "Side", "", "Commit", "Stage key", "Data", "Seeds", "Environment", "Device", "MLflow"]

    def form(most: int) -> str:
        rows = [_receipt(r, side, stages, runs.get((r.name, r.side))) for r, side in results[:most]]
        parts = [table(header, "l" * len(header), rows)]
        if len(results) > most:
            parts.append(f"and {len(results) - most:,} more")
        if absent:
            more = f" and {len(absent) - 6:,} more" if len(absent) > 6 else ""
            parts.append(f"Missing on base: {', '.join(code(name, 50) for name in absent[:6])}{more}.")
        return folded("<b>Receipts</b>", "\n\n".join([*parts, *tracked_words(tracking)]))

    return Section("receipts", (form(60), form(12), ""))


def tracked_words(tracking: Tracking | None) -> list[str]:
    """Where the MLflow runs are, naming the hosts that links lead to, because their texts do not say it."""
    if tracking is None or tracking.status == "off":
        return []
    if tracking.status == "failed":
        return [f"MLflow was not reached: {prose(tracking.reason, 300)}"]
    addresses = [address for run in tracking.runs if (address := safe_address(run.url))]
    hosts = sorted({address_host(address) for address in addresses})[:4]
    where = ", ".join(code(host, 60) for host in hosts) or (code(tracking.uri, 80) if tracking.uri else "")
    return [f"MLflow experiment {code(tracking.experiment, 60)}{f' on {where}' if where else ''}."]


def cost_section(stages: Stages | None) -> Section:
    """What ran in this run cost, and what restoring saved; a column that nobody measured is not there."""
    if stages is None or not is_costed(stages):
        return Section("cost", ("",))
    ran = [(r, side, usage) for r, side in all_results(stages) if (usage := used(r))]
    ran.sort(key=lambda row: -row[2].seconds)
    columns = [(title, show) for title, show in _COLUMNS if any(show(usage) for _, _, usage in ran)]

    def form(most: int) -> str:
        rows = [
            [code_cell(r.name, 50), side, *(show(usage) or NOTHING for _, show in columns)]
            for r, side, usage in ran[:most]
        ]
        header = ["Stage", "Side", *(title for title, _ in columns)]
        parts = [table(header, "ll" + "r" * len(columns), rows)] if rows else []
        if len(ran) > most:
            parts.append(f"and {len(ran) - most:,} more")
        return folded("<b>Cost</b>", "\n\n".join([*parts, *(prose(line, 300) for line in cost_words(stages))]))

    return Section("cost", (form(40), form(8), ""))
