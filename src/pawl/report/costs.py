"""What a run cost and what restoring saved, in words; what nobody measured is not mentioned."""

from __future__ import annotations

from pawl.report.escape import one_line
from pawl.report.numbers import show_energy, show_number, show_seconds
from pawl.schema import Rate, StageResult, Stages, Usage


def used(result: StageResult) -> Usage | None:
    """What a stage used in this run; None where it did not run."""
    if result.outcome not in ("trained", "failed"):
        return None
    if result.usage is not None or result.seconds is None:
        return result.usage
    return Usage(seconds=result.seconds, peak_memory_bytes=result.peak_memory_bytes)


def all_results(stages: Stages) -> list[tuple[StageResult, str]]:
    """What happened to each stage, and on which side; last, those that were run again with base's model."""
    return [*((r, str(r.side)) for r in stages.stages), *((r, "base's model") for r in stages.rescored)]


def is_costed(stages: Stages) -> bool:
    """Whether anything ran or was restored."""
    return any(used(r) or r.outcome == "restored" for r, _ in all_results(stages))


def saved_seconds(stages: Stages) -> float | None:
    """What the restored stages took when they were trained, less what restoring them took; None where none is known."""
    known = [r for r, _ in all_results(stages) if r.outcome == "restored" and r.origin is not None]
    if not known:
        return None
    return sum((r.origin.usage.seconds if r.origin else 0.0) - (r.seconds or 0.0) for r in known)


def money(seconds: float, rate: Rate) -> str:
    """What so many seconds of the machine cost.

    >>> money(1_800.0, Rate(per_hour=0.9, currency="EUR")), money(1.0, Rate(per_hour=0.9, currency="EUR"))
    ('0.45 EUR', '0.00025 EUR')
    """
    amount = seconds / 3_600 * rate.per_hour
    shown = f"{amount:,.2f}" if 0.1 <= amount < 1e9 else show_number(amount, 2)
    return f"{shown} {one_line(rate.currency, 12)}"


def cost_words(stages: Stages) -> list[str]:
    """Plain sentences: what the whole run cost, and what restoring saved."""
    rate = stages.rate
    priced = f", {money(stages.seconds, rate)} at {show_number(rate.per_hour, 2)} an hour" if rate else ""
    usages = [usage for r, _ in all_results(stages) if (usage := used(r))]
    gpu_seconds = sum(usage.gpu_seconds or 0.0 for usage in usages)
    energies = [usage.energy_joules for usage in usages if usage.energy_joules is not None]
    sums = [
        f"GPU time {show_seconds(gpu_seconds)}" if gpu_seconds else "",
        f"energy {show_energy(sum(energies))}" if energies else "",
    ]
    also = "".join(f", {text}" for text in sums if text)
    said = [f"This run: {show_seconds(stages.seconds) or '0 s'}{also}{priced}."]
    saved = saved_seconds(stages)
    if saved is not None and saved > 0:
        price = f", {money(saved, rate)}" if rate else ""
        said.append(f"Restoring saved {show_seconds(saved)}{price}.")
    return said
