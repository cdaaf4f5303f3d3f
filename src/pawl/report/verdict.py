"""The verdict in one line: its mark, its word, and the metrics it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.report.numbers import MetricText, show_metric
from pawl.schema import Comparison, MetricComparison, StageResult, Stages

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
    urgency = ("worse", "not comparable", "better", "no measurable change")
    return sorted(metrics, key=lambda m: (not m.primary, described(m), urgency.index(m.verdict)))
