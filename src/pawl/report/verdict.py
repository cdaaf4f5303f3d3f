"""The verdict in one line: its mark, its word, and the metrics it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from pawl.report.numbers import MetricText, show_metric
from pawl.schema import Comparison, Evidence, MetricComparison, StageResult, Stages

MARKS = {
    "better": "✅",
    "worse": "🔻",
    "no measurable change": "\u2796",
    "not comparable": "⚠️",
    "unchanged": "⚪",
    "failed": "❌",
}
"""Shapes that differ without their colours, for the comment."""

PLAIN_MARKS = {
    "better": "✓",
    "worse": "✗",
    "no measurable change": "≈",
    "not comparable": "?",
    "unchanged": "=",
    "failed": "!",
}
"""The same for pages, which must not depend on a font with emoji."""

WORDS = {
    "better": "Better",
    "worse": "Worse",
    "no measurable change": "No measurable change",
    "not comparable": "Not comparable",
    "unchanged": "Unchanged",
    "failed": "Failed",
}

MOST_NAMED = 3
_WORST_FIRST = ("worse", "not comparable", "no measurable change", "better")
_URGENCY = ("worse", "not comparable", "better", "no measurable change")


@dataclass(frozen=True)
class Named:
    """A primary metric as the first line names it."""

    metric: MetricComparison
    text: MetricText
    said: str
    """Its own verdict, where that is not the headline's."""


def named_metrics(comparison: Comparison) -> list[Named]:
    """The primary metrics, those that decided the verdict first; empty where no metric decided it."""
    if comparison.verdict in ("unchanged", "failed"):
        return []
    primary = [m for m in comparison.metrics if m.primary]
    primary.sort(key=lambda m: m.verdict != comparison.verdict)
    return [Named(m, show_metric(m), "" if m.verdict == comparison.verdict else m.verdict) for m in primary]


def deciding_metrics(comparison: Comparison) -> list[MetricComparison]:
    """What the verdict rests on, what made it so first: the primary metrics, else all that have a direction.

    Empty where no metric decided it.
    """
    if comparison.verdict in ("unchanged", "failed"):
        return []
    primary = [m for m in comparison.metrics if m.primary]
    judged = primary or [m for m in comparison.metrics if m.direction != "none"]
    # The headline is the worst of what was counted: what is worse than it lies in files that nothing changed.
    counted = [m for m in judged if _WORST_FIRST.index(m.verdict) >= _WORST_FIRST.index(comparison.verdict)]
    return sorted(counted, key=lambda m: (m.verdict != comparison.verdict, _URGENCY.index(m.verdict)))


def evidence_of(comparison: Comparison, metric: MetricComparison) -> Evidence | None:
    """What the predictions say beside a metric: those of the same folder, or of the same task by name, or the only."""
    folder = PurePosixPath(metric.path).parent
    for evidence in comparison.evidence:
        if PurePosixPath(evidence.path).parent == folder or evidence.name == metric.name.split(" ")[0]:
            return evidence
    return comparison.evidence[0] if len(comparison.evidence) == 1 else None


def described(metric: MetricComparison) -> bool:
    """Whether a metric is only shown: nothing rests on it, and neither way is better."""
    return metric.direction == "none" and not metric.primary


def better_when(metric: MetricComparison) -> str:
    """Which way is better, in words; empty where neither is."""
    if metric.direction == "none":
        return ""
    return f"{metric.direction} is better{' (guessed)' if metric.direction_guessed else ''}"


def failed_stages(stages: Stages | None) -> list[StageResult]:
    """The stages whose command failed, those of head first."""
    return [*stages.failed("head"), *stages.failed("base")] if stages else []


def in_order(metrics: tuple[MetricComparison, ...]) -> list[MetricComparison]:
    """Primary metrics first, then by how much a reader must know of them; those that are only described last."""
    return sorted(metrics, key=lambda m: (not m.primary, described(m), _URGENCY.index(m.verdict)))
