"""What the HTML report says about the run, as plain text for its template to escape."""

from __future__ import annotations

from typing import Any

from pawl.report.escape import lines, one_line
from pawl.report.numbers import NOTHING, show_bytes, show_count, show_seconds
from pawl.report.run_sections import all_notes, reproduce_lines
from pawl.report.stage_rows import stage_notes, stage_rows
from pawl.report.verdict import failed_stages
from pawl.schema import Cause, Comparison, Plan, Stages, Tracking

MOST_PARAMS = 500
MOST_STAGES = 200
MOST_CAUSES = 20
MOST_FAILURES = 5


def _short(text: str | None) -> str | None:
    return None if text is None else one_line(text, 120)


def _cause(cause: Cause) -> dict[str, Any]:
    told = cause.kind in ("params", "environment", "command") and (cause.base is not None or cause.head is not None)
    return {
        "kind": cause.kind,
        "what": one_line(cause.what, 120),
        "told": told,
        "base": _short(cause.base),
        "head": _short(cause.head),
    }


def change_parts(plan: Plan, comparison: Comparison) -> dict[str, Any]:
    """Parameters that differ, and why each stage ran."""
    caused = [stage for stage in plan.stages if stage.causes]
    return {
        "params": [
            {
                "key": one_line(change.key, 120),
                "path": "" if change.path == "params.yaml" else one_line(change.path, 120),
                "base": _short(change.base),
                "head": _short(change.head),
            }
            for change in comparison.params[:MOST_PARAMS]
        ],
        "params_more": len(comparison.params) - MOST_PARAMS,
        "causes": [
            {
                "name": one_line(stage.name, 80),
                "causes": [_cause(cause) for cause in stage.causes[:MOST_CAUSES]],
                "more": max(0, len(stage.causes) - MOST_CAUSES),
            }
            for stage in caused[:MOST_STAGES]
        ],
        "causes_more": len(caused) - MOST_STAGES,
        "removed": [one_line(name, 80) for name in plan.removed_stages[:MOST_CAUSES]],
        "overrides": [one_line(text, 120) for text in (comparison.overrides or plan.overrides)[:MOST_CAUSES]],
    }


def _outcome(outcome: str, seconds: float | None) -> str:
    took = show_seconds(seconds)
    return f"{outcome}, {took}" if took and outcome in ("trained", "restored", "failed") else outcome or NOTHING


def _failures(stages: Stages | None) -> dict[str, Any]:
    failed = failed_stages(stages)
    shown = [
        {
            "side": result.side,
            "name": one_line(result.name, 80),
            "exit_code": "" if result.exit_code is None else show_count(result.exit_code),
            "log": f"reports/{one_line(result.log, 200)}" if result.log else "",
            "tail": lines(result.log_tail, 200, 20_000),
        }
        for result in failed[:MOST_FAILURES]
    ]
    return {"failures": shown, "failures_more": len(failed) - MOST_FAILURES}


def _tracking(tracking: Tracking | None) -> str:
    if tracking is None or tracking.status == "off":
        return ""
    if tracking.status == "failed":
        return f"MLflow was not reached: {one_line(tracking.reason, 400)}"
    where = f" on {one_line(tracking.uri, 200)}" if tracking.uri else ""
    return f"The runs are in MLflow's experiment {one_line(tracking.experiment, 120)}{where}."


def _machine(stages: Stages | None) -> str:
    if stages is None:
        return ""
    machine = stages.machine
    return (
        f"{show_seconds(stages.seconds) or '0 s'} on {one_line(machine.device, 120)}, "
        f"{show_count(machine.cpu_count)} CPUs, {show_bytes(machine.memory_bytes) or 'unknown'} of memory, "
        f"Python {one_line(machine.python, 40)}, {one_line(machine.platform, 120)}"
    )


def run_parts(plan: Plan, stages: Stages | None, comparison: Comparison, tracking: Tracking | None) -> dict[str, Any]:
    """Stages, failures, tracking, notes, and how to reproduce the run."""
    rows = stage_rows(plan, stages)
    notes = stage_notes(plan, stages)
    return {
        "stages": [
            {
                "name": one_line(row.name, 80),
                "note": one_line(notes.get(row.name, ""), 400),
                "base": _outcome(row.base, row.base_seconds),
                "head": _outcome(row.head, row.head_seconds),
                "peak": (show_bytes(row.peak_memory_bytes), row.peak_memory_bytes or ""),
            }
            for row in rows[:MOST_STAGES]
        ],
        "stages_more": len(rows) - MOST_STAGES,
        "stages_caption": "What happened to each stage on both sides" if stages else "As planned; nothing ran",
        "machine": _machine(stages),
        "notes": [one_line(note, 2_000) for note in all_notes(plan, comparison)],
        "reproduce": lines(reproduce_lines(comparison), 10, 100_000),
        "tracking": _tracking(tracking),
        **_failures(stages),
    }
