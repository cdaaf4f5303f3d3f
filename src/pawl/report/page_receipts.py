"""Where each result comes from and what it cost, as plain text for the HTML report's template to escape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pawl.report.escape import one_line, safe_address
from pawl.report.numbers import MINUS, show_bytes, show_number, show_seconds
from pawl.report.page_bars import show_share
from pawl.schema import Rate, StageResult, Stages, TrackedRun, Tracking

MOST_RECEIPTS = 400
MOST_COSTS = 400
_JOULES_PER_WATT_HOUR = 3_600.0
_MOST = 1e15


def _proof(result: StageResult) -> str:
    if result.outcome in ("failed", "skipped"):
        return f"missing: {result.outcome}"
    if result.outcome != "trained" and result.origin is None:
        return f"{result.outcome}, no run on record"
    return result.outcome


def _receipt(result: StageResult, run: TrackedRun | None) -> dict[str, Any]:
    origin = result.origin
    return {
        "stage": one_line(result.name, 80),
        "side": result.side,
        "outcome": _proof(result),
        "commit": origin.commit if origin else "",
        "started": one_line(origin.started_at, 40) if origin else "",
        "key": result.stage_key or "",
        "data": result.data_digest or "",
        "seeds": [f"{one_line(key, 80)} = {one_line(value, 40)}" for key, value in result.seeds.items()],
        "environment": origin.environment_digest if origin else "",
        "device": one_line(origin.device, 80) if origin else "",
        "run": one_line(run.run_id, 40) if run else "",
        "url": safe_address(run.url) if run else None,
    }


def saved_seconds(result: StageResult) -> float | None:
    """What it took to make a result that was restored, less what restoring it took; None where that is not known."""
    if result.outcome != "restored" or result.origin is None:
        return None
    return result.origin.usage.seconds - (result.seconds or 0.0)


def _saved(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{MINUS}{show_seconds(-seconds)}" if seconds < 0 else show_seconds(seconds)


def _energy(joules: float | None) -> str:
    return "" if joules is None else f"{show_number(joules / _JOULES_PER_WATT_HOUR, 3)} Wh"


def _value(number: float | None) -> float | str:
    return "" if number is None else number


def _cost(result: StageResult) -> dict[str, Any]:
    usage = result.usage
    seconds = usage.seconds if usage else result.seconds
    peak = usage.peak_memory_bytes if usage else result.peak_memory_bytes
    saved = saved_seconds(result)
    gpu_peak = usage.gpu_peak_memory_bytes if usage else None
    busy = usage.gpu_utilisation if usage else None
    return {
        "stage": one_line(result.name, 80),
        "side": result.side,
        "outcome": result.outcome,
        "seconds": (show_seconds(seconds), _value(seconds)),
        "peak": (show_bytes(peak), _value(peak)),
        "gpu_seconds": (
            show_seconds(usage.gpu_seconds if usage else None),
            _value(usage.gpu_seconds if usage else None),
        ),
        "busy": ("" if busy is None else show_share(busy), _value(busy)),
        "gpu_peak": (show_bytes(gpu_peak), _value(gpu_peak)),
        "energy": (_energy(usage.energy_joules if usage else None), _value(usage.energy_joules if usage else None)),
        "saved": (_saved(saved), _value(saved)),
    }


def _sum(values: Sequence[float | None]) -> float | None:
    """Their sum, None where there is none; clipped, because finite numbers can add up to infinity and to no number."""
    known = [min(_MOST, max(-_MOST, value)) for value in values if value is not None]
    return sum(known) if known else None


def money(seconds: float, rate: Rate) -> str:
    """What `seconds` of the machine cost."""
    amount = seconds / 3_600 * rate.per_hour
    shown = f"{amount:,.2f}" if 0.005 <= abs(amount) < 1e9 else show_number(amount, 2)
    return f"{shown} {one_line(rate.currency, 12)}"


def _total(stages: Stages) -> list[str]:
    usages = [result.usage for result in stages.stages if result.usage is not None]
    said = [f"{show_seconds(stages.seconds) or '0 s'} in all"]
    gpu_seconds = show_seconds(_sum([usage.gpu_seconds for usage in usages]))
    if gpu_seconds:
        said.append(f"{gpu_seconds} of GPU time")
    energy = _sum([usage.energy_joules for usage in usages])
    if energy is not None:
        said.append(f"{_energy(energy)} by the GPUs' own counters")
    saved = _sum([saved_seconds(result) for result in stages.stages])
    if saved is not None:
        said.append(f"restoring saved {_saved(saved)}")
    if stages.rate is not None:
        spent = money(stages.seconds, stages.rate)
        also = "" if saved is None or saved <= 0 else f" and {money(saved, stages.rate)} saved"
        said.append(f"{spent} spent{also}, at {money(3_600, stages.rate)} an hour")
    return said


def receipt_parts(stages: Stages | None, tracking: Tracking | None) -> dict[str, Any]:
    """One receipt for each stage and side, with its MLflow run; costs of those that did something; and their totals."""
    results = stages.stages if stages else ()
    runs = {(run.stage, run.side): run for run in (tracking.runs if tracking else ())}
    costly = [result for result in results if result.outcome in ("trained", "restored", "failed")]
    rows = [_cost(result) for result in costly[:MOST_COSTS]]
    optional = ("gpu_seconds", "busy", "gpu_peak", "energy", "saved")
    return {
        "receipts": [_receipt(result, runs.get((result.name, result.side))) for result in results[:MOST_RECEIPTS]],
        "receipts_more": len(results) - MOST_RECEIPTS,
        "costs": rows,
        "costs_more": len(costly) - MOST_COSTS,
        "cost_columns": [column for column in optional if any(row[column][0] for row in rows)],
        "cost_total": ", ".join(_total(stages)) if stages else "",
    }
