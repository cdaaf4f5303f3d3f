"""Whether a branch may go in: every primary metric holds against base, and beats what one gets without a model."""

from __future__ import annotations

from pawl.compare.verdict import Rules, describe
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
    head_values = {(metric.path, metric.key): metric.head.value for metric in metrics}
    for metric in primary:
        if metric.verdict == "worse":
            return False, f"{describe(metric)} is worse than base beyond the tolerance of {metric.tolerance:g}"
        if metric.path in unchanged_paths:
            continue
        new = metric.base.state == "missing" and metric.head.state == "ok"
        if metric.verdict == "not comparable" and not new:
            return False, f"{metric.name} cannot be compared: {metric.reason}"
        baseline = rules.rule(metric.path, metric.key).beats
        shortfall = _shortfall(metric, baseline, head_values.get((metric.path, baseline))) if baseline else ""
        if shortfall:
            return False, shortfall
    return True, f"{len(primary)} primary {'metric holds' if len(primary) == 1 else 'metrics hold'} against base"


def _shortfall(metric: MetricComparison, baseline: str, to_beat: float | None) -> str:
    """Why the metric does not beat its baseline, empty where it does."""
    if to_beat is None or metric.head.value is None:
        return f"{metric.name} has no {baseline} beside it, which pawl.yaml says that it must beat"
    is_better = metric.head.value > to_beat if metric.direction == "higher" else metric.head.value < to_beat
    return "" if is_better else f"{metric.name} {metric.head.value:.4g} does not beat {baseline}, {to_beat:.4g}"
