"""What to do about a verdict: one action for each, and where to look first."""

from __future__ import annotations

from collections.abc import Callable

from pawl.report.intervals import show_signed, show_size
from pawl.report.numbers import show_count
from pawl.report.verdict import deciding_metrics, described, evidence_of, failed_stages
from pawl.schema import Comparison, Evidence, FlipCount, MetricComparison, SliceComparison, Stages

Name = Callable[[str, int], str]

_RESCORE = "`pawl run --rescore` evaluates base's model on head's test set and compares then."


def way_out(comparison: Comparison, stages: Stages | None, name: Name) -> list[str]:
    """Sentences, the most needed first; `name` says a name that somebody else chose."""
    if comparison.verdict == "failed":
        failed = failed_stages(stages)
        return [
            f"Do not merge: the end of the log of {name(failed[0].name, 60)} is below." if failed else "Do not merge."
        ]
    if comparison.verdict == "unchanged":
        return ["Nothing to do: judge the code alone."]
    deciding = deciding_metrics(comparison)
    if not deciding:
        return ["Mark the metric that matters as primary in `pawl.yaml`."]
    return _WAYS[comparison.verdict](comparison, deciding[0], name)


def gate_says_more(comparison: Comparison) -> bool:
    """Whether the gate's reason is not plain from the verdict."""
    return comparison.gate_passed == (comparison.verdict in ("worse", "not comparable", "failed"))


def _better(comparison: Comparison, metric: MetricComparison, name: Name) -> list[str]:
    if not comparison.gate_passed:
        return ["Do not merge yet."]
    part = worst_slice(evidence_of(comparison, metric))
    looks = [f"look before at {_slice(part, name)}"] if part else []
    looks += [f"first make sure that {doubt}" for doubt in doubts(comparison)]
    worse = sum(m.verdict == "worse" and not described(m) for m in comparison.metrics if not m.primary)
    looks += (
        [f"{show_count(worse)} other {'metric is' if worse == 1 else 'metrics are'} worse, see below"] if worse else []
    )
    return [f"It can be merged{'; ' if looks else ''}{'; '.join(looks[:2])}."]


def _worse(comparison: Comparison, metric: MetricComparison, name: Name) -> list[str]:
    start = "Merge only if this loss is wanted" if comparison.gate_passed else "Do not merge"
    spots = weak_spots(evidence_of(comparison, metric), name)
    return [f"{start}. Look first at {' and at '.join(spots)}."] if spots else [f"{start}; see what changed below."]


def _no_change(comparison: Comparison, metric: MetricComparison, name: Name) -> list[str]:
    if not comparison.gate_passed and metric.non_inferiority:
        return ["Do not merge yet: more test examples make the interval narrower, or allow a larger tolerance."]
    if not comparison.gate_passed:
        return ["Do not merge yet."]
    if metric.detectable is None or is_within_tolerance(metric):
        return ["Merge if the change is wanted for other reasons."]
    return [
        "Merge if the change is wanted for other reasons: "
        f"this test set could hardly have shown less than {show_size(metric.detectable)}."
    ]


def _not_comparable(comparison: Comparison, metric: MetricComparison, name: Name) -> list[str]:
    if metric.why_not == "no value":
        if metric.base_state == "missing" and metric.head_state == "ok":
            return ["Judge the number itself: once merged, it is the base of the next comparison."]
        side = "head" if metric.head_state != "ok" else "base"
        return [f"Make {side}'s evaluation write a finite number for {name(metric.key, 40)}, then push again."]
    if metric.why_not == "nothing to pair" and evidence_of(comparison, metric) is not None:
        return ["Let head's evaluation write predictions that can be read, as base's does."]
    if metric.why_not == "nothing to pair":
        return ["Let the evaluation write `predictions.parquet`, or set a tolerance for the metric in `pawl.yaml`."]
    return [f"Do not merge on these numbers: {_RESCORE}"]


_WAYS = {
    "better": _better,
    "worse": _worse,
    "no measurable change": _no_change,
    "not comparable": _not_comparable,
}


def is_within_tolerance(metric: MetricComparison) -> bool:
    """Whether the whole interval lies within a tolerance that somebody set."""
    if metric.lower is None or metric.upper is None or not metric.tolerance:
        return False
    return -metric.tolerance <= metric.lower and metric.upper <= metric.tolerance


def weak_spots(evidence: Evidence | None, name: Name) -> list[str]:
    """Where a reader should look first: the worst slice that is worse, and the class that lost most examples."""
    spots = []
    part = worst_slice(evidence)
    if part:
        spots.append(_slice(part, name))
    count = worst_class(evidence)
    if count:
        spots.append(
            f"class {name(count.label, 30)} ({show_count(count.broken)} of {show_count(count.examples)} newly wrong)"
        )
    return spots


def _slice(part: SliceComparison, name: Name) -> str:
    return f"slice {name(f'{part.column} = {part.value}', 50)} ({show_signed(part.difference)})"


def worst_slice(evidence: Evidence | None) -> SliceComparison | None:
    """The first slice that is worse; None where there is none."""
    return next((part for part in (evidence.slices if evidence else ()) if part.verdict == "worse"), None)


def worst_class(evidence: Evidence | None) -> FlipCount | None:
    """The class that lost most examples, net of those that it won; None where none lost any."""
    counts = evidence.flips.per_label if evidence and evidence.flips else ()
    worst = max(counts, key=lambda count: count.broken - count.fixed, default=None)
    return worst if worst and worst.broken > worst.fixed else None


def doubts(comparison: Comparison) -> list[str]:
    """What in head's data would make a better number worth less."""
    leaks = sum(
        finding.count
        for difference in comparison.data
        for finding in difference.findings
        if finding.kind == "in two splits" and finding.side == "head"
    )
    if not leaks:
        return []
    return [f"the {show_count(leaks)} examples that are in two splits of head's data do not explain it"]
