"""What the HTML report says about results, as plain text for its template to escape."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from pawl.report.confusion import most_confused, recall_changes, recalls, usable
from pawl.report.curves import curve_texts
from pawl.report.escape import one_line
from pawl.report.intervals import deciding_p, show_interval, show_p, show_size
from pawl.report.numbers import show_cell, show_change, show_count, show_metric, show_recall
from pawl.report.page_bars import bar, span_of
from pawl.report.verdict import PLAIN_MARKS, better_when, described, in_order, named_metrics
from pawl.schema import Comparison, Confusion, MetricComparison, Revision

MOST_METRICS = 500
MOST_CURVES = 60
MOST_MATRICES = 8
MOST_HEROES = 6
MOST_CLASSES = 30
MOST_PAIRS = 30

_TONES = {"no measurable change": "still", "not comparable": "doubt"}


def tone(verdict: str) -> str:
    """The name of the colours that go with a verdict's word and mark."""
    return _TONES.get(verdict, verdict)


def revision_parts(revision: Revision) -> dict[str, str]:
    """A commit as the page names it."""
    return {
        "name": one_line(revision.name, 80),
        "short": revision.commit[:7],
        "commit": revision.commit,
        "subject": one_line(revision.subject, 120),
    }


def _interval(metric: MetricComparison) -> dict[str, Any]:
    """The interval as a bar and in words, where there is one."""
    difference, lower, upper = metric.difference, metric.lower, metric.upper
    if difference is None or lower is None or upper is None:
        return {"bar": None, "interval": ""}
    span = span_of((difference, lower, upper, metric.tolerance, -metric.tolerance))
    return {"bar": bar(span, difference, lower, upper, metric.tolerance), "interval": show_interval(lower, upper)}


def _method(metric: MetricComparison) -> dict[str, Any]:
    """What an interval rests on."""
    p_value, groups = deciding_p(metric), metric.groups
    return {
        "name": one_line(metric.name, 120),
        "method": one_line(metric.method, 80),
        "examples": ("" if metric.examples is None else show_count(metric.examples), _value(metric.examples)),
        "groups": ("" if groups is None else show_count(groups), _value(groups)),
        "p_value": ("" if p_value is None else show_p(p_value), _value(p_value)),
        "corrected": metric.p_corrected is not None,
        "detectable": ("" if metric.detectable is None else show_size(metric.detectable), _value(metric.detectable)),
        "seed_sd": ("" if metric.seed_sd is None else show_size(metric.seed_sd), _value(metric.seed_sd)),
    }


def _value(number: float | None) -> float | str:
    return "" if number is None else number


def _luck(comparison: Comparison) -> str:
    if comparison.noise is None:
        return "The luck of the seed is not in the intervals."
    seeds, commit = show_count(comparison.noise.seeds), comparison.noise.commit[:7]
    return f"The spread between seeds is from {seeds} trainings of {commit}."


def _metric(metric: MetricComparison) -> dict[str, Any]:
    text = show_metric(metric)
    shown = "described" if described(metric) else metric.verdict
    return {
        "name": one_line(metric.name, 120),
        "primary": metric.primary,
        "better_when": better_when(metric),
        "base": text.base,
        "head": text.head,
        "base_value": _value(metric.base),
        "head_value": _value(metric.head),
        "change": show_change(metric),
        "change_value": _value(metric.difference),
        "verdict": shown,
        "mark": PLAIN_MARKS.get(shown, ""),
        "tone": tone(shown),
        "reason": one_line(metric.reason, 400),
        **_interval(metric),
    }


def _quiet(metric: MetricComparison) -> bool:
    """Whether nothing rests on the metric and nothing is to be seen: it is only shown, or was counted besides."""
    besides = metric.verdict == "no measurable change" and PurePosixPath(metric.path).suffix == ".parquet"
    return not metric.primary and (besides or described(metric))


def hero_parts(comparison: Comparison) -> list[dict[str, Any]]:
    """The primary metrics, large."""
    return [_metric(item.metric) for item in named_metrics(comparison)[:MOST_HEROES]]


def metric_parts(comparison: Comparison) -> dict[str, Any]:
    """The table of metrics."""
    metrics = in_order(comparison.metrics)
    rows = [(_metric(m), _quiet(m)) for m in metrics[:MOST_METRICS]]
    return {
        "metrics": [row for row, quiet in rows if not quiet] or [row for row, _ in rows],
        "quiet_metrics": [row for row, quiet in rows if quiet] if not all(quiet for _, quiet in rows) else [],
        "metrics_more": len(metrics) - MOST_METRICS,
        "methods": [_method(m) for m in metrics[:MOST_METRICS] if m.lower is not None],
        "luck": _luck(comparison),
        "rescored": [one_line(name, 80) for name in comparison.rescored],
    }


def curve_parts(comparison: Comparison) -> dict[str, Any]:
    """The curves as numbers."""
    shown = []
    for curve in comparison.curves[:MOST_CURVES]:
        sides = [
            {"side": side, "shape": text.shape, "first": text.first, "best": text.best, "last": text.last}
            for side, text in zip(("base", "head"), curve_texts(curve), strict=True)
            if text
        ]
        shown.append({"group": one_line(curve.group, 60), "name": one_line(curve.name, 60), "sides": sides})
    return {"curves": shown, "curves_more": len(comparison.curves) - MOST_CURVES}


def _pairs(confusion: Confusion, labels: list[str]) -> list[dict[str, str]]:
    return [
        {
            "true": labels[pair.true],
            "predicted": labels[pair.predicted],
            "base": "" if pair.base is None else show_count(pair.base),
            "head": "" if pair.head is None else show_count(pair.head),
        }
        for pair in most_confused(confusion, MOST_PAIRS)
    ]


def _matrix(confusion: Confusion) -> dict[str, Any]:
    parts: dict[str, Any] = {"name": one_line(confusion.name, 80), "rows": [], "pairs": [], "labels": [], "sides": ""}
    if not usable(confusion):
        return parts
    labels = [one_line(label, 30) for label in confusion.labels]
    if len(labels) > MOST_CLASSES:
        return {**parts, "pairs": _pairs(confusion, labels)}
    base, head = confusion.base, confusion.head
    shares = recalls(head if head is not None else base)
    changes = recall_changes(confusion)
    for i, label in enumerate(labels):
        cells = [
            {"text": show_cell(base[i][j] if base else None, head[i][j] if head else None, i == j), "hit": i == j}
            for j in range(len(labels))
        ]
        parts["rows"].append({"label": label, "cells": cells, "recall": show_recall(shares[i], changes[i])})
    sides = "base → head where they differ" if base and head else ("head only" if head else "base only")
    return {**parts, "labels": labels, "sides": sides}


def confusion_parts(comparison: Comparison) -> dict[str, Any]:
    """The confusion matrices as numbers."""
    matrices = [_matrix(confusion) for confusion in comparison.confusions[:MOST_MATRICES]]
    return {"confusions": matrices, "confusions_more": len(comparison.confusions) - MOST_MATRICES}
