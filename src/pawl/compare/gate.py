"""Whether a branch may go in: every primary metric holds against base, and beats what one gets without a model."""

from __future__ import annotations

import math

from pawl.compare.headline import describe
from pawl.compare.rules import Rules
from pawl.schema import Headline, MetricComparison


def gate(
    verdict: Headline, metrics: tuple[MetricComparison, ...], rules: Rules, unchanged_paths: set[str]
) -> tuple[bool, str]:
    """Whether the branch may go in, and one line saying why. A missing, NaN or infinite primary metric never passes.

    A primary metric that base does not have yet has nothing to fall behind; one that head lost fails the gate. Files of
    `unchanged_paths` are one result on both sides.
    """
    if verdict == "failed":
        return False, "a stage of head failed, so there are no results to judge"
    if verdict == "unchanged":
        return True, "nothing that a result follows from differs from base"
    if not rules.has_primary:
        return True, "no metric is marked primary in pawl.yaml, so nothing is gated"
    primary = [metric for metric in metrics if metric.primary]
    if not primary:
        return False, "pawl.yaml marks a primary metric, but no stage produced one"
    head_values = {(metric.path, metric.key): metric.head for metric in metrics}
    for metric in primary:
        if metric.verdict == "worse":
            return False, f"{describe(metric)} is worse than base{_beyond(metric)}"
        if metric.path in unchanged_paths:
            continue
        new = metric.base_state == "missing" and metric.head_state == "ok"
        if metric.verdict == "not comparable" and not new:
            return False, f"{metric.name} cannot be compared: {metric.reason}"
        if metric.non_inferiority and not new and not _largest_loss(metric) < metric.tolerance:
            shown = f"may have lost {_largest_loss(metric):.2g}" if metric.lower is not None else "has no interval"
            return False, f"{metric.name} {shown}, and must be shown to lose less than {metric.tolerance:g}"
        baseline = rules.rule(metric.path, metric.key).beats
        shortfall = _shortfall(metric, baseline, head_values.get((metric.path, baseline))) if baseline else ""
        if shortfall:
            return False, shortfall
    return True, f"{len(primary)} primary {'metric holds' if len(primary) == 1 else 'metrics hold'} against base"


def _beyond(metric: MetricComparison) -> str:
    if not metric.tolerance:
        return ""
    if metric.lower is None:
        return f" by more than the tolerance of {metric.tolerance:g}"
    return f", and not shown to be within the tolerance of {metric.tolerance:g}"


def _largest_loss(metric: MetricComparison) -> float:
    """The largest loss that the interval allows, below 0 where it allows none; infinite where luck was not measured."""
    if metric.lower is None or metric.upper is None:
        return 0.0 if metric.difference == 0 else math.inf
    return -metric.lower if metric.direction == "higher" else metric.upper


def _shortfall(metric: MetricComparison, baseline: str, to_beat: float | None) -> str:
    """Why the metric does not beat its baseline, empty where it does."""
    if to_beat is None or metric.head is None:
        return f"{metric.name} has no {baseline} beside it, which pawl.yaml says that it must beat"
    is_better = metric.head > to_beat if metric.direction == "higher" else metric.head < to_beat
    return "" if is_better else f"{metric.name} {metric.head:.4g} does not beat {baseline}, {to_beat:.4g}"
