"""The verdict of the whole: the worst of the primary metrics whose stages changed, in one sentence."""

from __future__ import annotations

from pawl.schema import Headline, MetricComparison, MetricVerdict

_WORST_FIRST: tuple[MetricVerdict, ...] = ("worse", "not comparable", "no measurable change", "better")


def headline(
    metrics: tuple[MetricComparison, ...], *, failed: list[str], changed: bool, unchanged_paths: set[str]
) -> tuple[Headline, str]:
    """The verdict of the whole, and a sentence. `failed`: head's failed stages; `changed`: whether a recipe differs."""
    if failed:
        return "failed", f"Failed: {', '.join(failed[:3])}{' and more' if len(failed) > 3 else ''}."
    if not changed:
        return "unchanged", "Unchanged: no code, parameter or data that a result follows from differs from base."
    primary = [metric for metric in metrics if metric.primary]
    counted = [m for m in primary or [m for m in metrics if m.direction != "none"] if m.path not in unchanged_paths]
    if not counted:
        return "no measurable change", "No measurable change: what differs reaches no metric."
    deciding = min(counted, key=lambda metric: _WORST_FIRST.index(metric.verdict))
    alike = [metric for metric in counted if metric.verdict == deciding.verdict]
    others = [metric for metric in counted if metric.verdict != deciding.verdict]
    sentence = f"{deciding.verdict.capitalize()}: {'; '.join(describe(metric) for metric in alike[:3])}"
    if len(alike) > 3:
        sentence += f"; and {len(alike) - 3} more"
    if others and primary:
        sentence += f" (elsewhere {', '.join(f'{m.name} {m.verdict}' for m in others[:3])})"
    return deciding.verdict, f"{sentence[:1_900]}."


def describe(metric: MetricComparison) -> str:
    """One metric in a few words, such as `digits accuracy 0.97 → 0.98 (+0.01, 95 % interval +0.002 to +0.02)`."""
    if metric.base is None or metric.head is None or metric.difference is None:
        return f"{metric.name}: {metric.reason}"
    change = signed(metric.difference)
    if metric.lower is not None and metric.upper is not None:
        change += f", 95 % interval {signed(metric.lower)} to {signed(metric.upper)}"
    told = f"{metric.name} {metric.base:.4g} → {metric.head:.4g} ({change})"
    return f"{told}: {metric.reason}" if metric.verdict == "not comparable" else told


def signed(value: float) -> str:
    """Three digits with their sign, and a real minus."""
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}", 1)
