"""The three sentences that a reader of nothing else needs: by how much, how sure, and what to do.

Each is made of clauses in the order of their weight; a clause that would make it too long to read is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pawl.report.escape import code, one_line, prose
from pawl.report.intervals import deciding_p, show_interval, show_p, show_signed, show_size
from pawl.report.numbers import show_count, show_metric
from pawl.report.verdict import deciding_metrics, evidence_of, failed_stages
from pawl.report.ways_out import gate_says_more, is_within_tolerance, way_out
from pawl.schema import Comparison, Evidence, MetricComparison, Stages, WhyNot

LONGEST = 300
"""Characters of a sentence."""
MOST_OTHERS = 3


@dataclass(frozen=True)
class Voice:
    """How a sentence says what somebody else chose; both take a text and the most characters of it."""

    words: Callable[[str, int], str]
    name: Callable[[str, int], str]


MARKDOWN = Voice(prose, code)
PLAIN = Voice(one_line, one_line)
"""For a template that escapes."""

WHY_NOT: dict[WhyNot, str] = {
    "no value": "there is no number on one side",
    "other ids": "the two sides were tested on different examples",
    "other targets": "the test examples have other targets on head",
    "other evaluation": "the two sides were evaluated by different code",
    "nothing to pair": "nothing tells luck from progress",
}


def joined(clauses: Sequence[str], between: str, longest: int = LONGEST) -> str:
    """The clauses as long as they fit; the first one always."""
    said = clauses[0] if clauses else ""
    for clause in clauses[1:]:
        if len(said) + len(between) + len(clause) <= longest:
            said += between + clause
    return said


def by_how_much(comparison: Comparison, stages: Stages | None, voice: Voice) -> str:
    """The metric that decided from base to head with its interval, and the other deciding ones in short."""
    deciding = deciding_metrics(comparison)
    if deciding:
        moved = [metric for metric in deciding[1:] if metric.verdict != "no measurable change"]
        still = len(deciding) - 1 - len(moved)
        clauses = [_in_full(deciding[0], voice), *(_in_short(m, comparison, voice) for m in moved[:MOST_OTHERS])]
        clauses += [f"and {len(moved) - MOST_OTHERS:,} more"] if len(moved) > MOST_OTHERS else []
        clauses += [f"{still:,} other{'s' if still > 1 else ''} without measurable change"] if still else []
        return joined(clauses, "; ")
    failed = failed_stages(stages)
    if comparison.verdict == "failed" and failed:
        ended = "" if failed[0].exit_code is None else f" with exit code {show_count(failed[0].exit_code)}"
        more_failed = f", and {len(failed) - 1:,} more failed" if len(failed) > 1 else ""
        return f"{failed[0].side}'s stage {voice.name(failed[0].name, 60)} ended{ended}{more_failed}"
    start, _, rest = comparison.headline.partition(": ")
    said = rest if rest and start.lower() == comparison.verdict else comparison.headline
    return voice.words(said.rstrip("."), LONGEST - 50)


def _in_full(metric: MetricComparison, voice: Voice) -> str:
    text = show_metric(metric)
    said = f"{voice.name(metric.name, 60)} {text.base} → {text.head}"
    if metric.verdict == "not comparable":
        new = metric.base_state == "missing" and metric.head_state == "ok"
        return f"{said}, {'new on head' if new else WHY_NOT[metric.why_not or 'nothing to pair']}"
    if not metric.difference:
        return f"{said}, no difference"
    size = text.difference.lstrip("+\u2212")
    said += f", {'up' if metric.difference > 0 else 'down'} by {size}"
    if metric.direction == "lower":
        said += ", lower is better"
    rests = _rests_on(metric)
    return f"{said} ({rests})" if rests else said


def _rests_on(metric: MetricComparison) -> str:
    if metric.lower is None or metric.upper is None:
        return ""
    p_value = deciding_p(metric)
    parts = [
        f"95 % interval {show_interval(metric.lower, metric.upper)}",
        "" if metric.examples is None else f"{show_count(metric.examples)} examples",
        "" if p_value is None else show_p(p_value),
    ]
    return "; ".join(part for part in parts if part)


def _in_short(metric: MetricComparison, comparison: Comparison, voice: Voice) -> str:
    also = " too" if metric.verdict == comparison.verdict else ""
    change = f" ({show_signed(metric.difference)})" if metric.difference else ""
    return f"{voice.name(metric.name, 40)} {metric.verdict}{also}{change}"


def how_sure(comparison: Comparison, voice: Voice) -> str:
    """Which luck the verdict includes, and what nobody measured."""
    if comparison.verdict == "unchanged":
        return "certain, as every result follows from the same code, parameters and data on both sides."
    if comparison.verdict == "failed":
        return "not known, as there are no results to compare."
    deciding = deciding_metrics(comparison)
    if not deciding:
        return "not known, as no metric that differs has a direction: none says which way is better."
    metric = deciding[0]
    if metric.verdict == "not comparable":
        return joined(_not_known(metric, evidence_of(comparison, metric), voice), " ")
    if metric.lower is None or metric.upper is None:
        return _by_numbers_alone(metric)
    return joined(_luck(comparison, metric, voice), " ")


def _not_known(metric: MetricComparison, evidence: Evidence | None, voice: Voice) -> list[str]:
    reason = metric.reason.rstrip(".") or WHY_NOT[metric.why_not or "nothing to pair"]
    said = [f"not at all. {voice.words(reason[:1].upper() + reason[1:], 160)}."]
    if evidence and metric.why_not in ("other ids", "other targets"):
        counts = [
            f"{show_count(evidence.paired)} on both sides" if evidence.paired else "",
            f"{show_count(evidence.base_only)} on base alone" if evidence.base_only else "",
            f"{show_count(evidence.head_only)} on head alone" if evidence.head_only else "",
            f"{show_count(evidence.other_targets)} with another target" if evidence.other_targets else "",
        ]
        said.append(f"Test examples: {', '.join(count for count in counts if count)}.")
    return said


def _by_numbers_alone(metric: MetricComparison) -> str:
    if not metric.difference:
        return "the numbers are equal; there is no interval, so how large a difference could hide is not known."
    tolerance = f"the tolerance of {show_size(metric.tolerance)}" if metric.tolerance else "the numbers"
    return (
        f"not known: luck is not measured, {tolerance} alone decided. "
        "An interval needs predictions of both sides, or `pawl noise --seeds 5`."
    )


def _luck(comparison: Comparison, metric: MetricComparison, voice: Voice) -> list[str]:
    seeds = f" of {show_count(comparison.noise.seeds)} seeds" if comparison.noise else ""
    spread = "" if metric.seed_sd is None else f"the spread{seeds} (standard deviation {show_size(metric.seed_sd)})"
    if metric.examples is None:
        said = [f"the interval rests on {spread or 'what its method says'} alone; no examples were paired."]
    else:
        groups = "" if metric.groups is None else f" in {show_count(metric.groups)} groups"
        examples = f"the interval includes the luck of {show_count(metric.examples)} test examples{groups}"
        if spread:
            said = [f"{examples} and {spread}."]
        else:
            said = [f"{examples}; the luck of the seed is not included: `pawl noise --seeds 5` measures it."]
    if is_within_tolerance(metric):
        said.append(f"It is shown to be within the tolerance of {show_size(metric.tolerance)}.")
    elif metric.verdict == "no measurable change" and metric.detectable is not None:
        said.append(f"A true difference of {show_size(metric.detectable)} would have been found four times in five.")
    if metric.p_value is not None and metric.p_corrected is not None and metric.p_corrected > metric.p_value:
        said.append("p is corrected for several metrics.")
    if comparison.rescored:
        names = ", ".join(voice.name(stage, 40) for stage in comparison.rescored[:2])
        said.append(f"Base's model was evaluated again, as head's is: {names}.")
    return said


def what_to_do(comparison: Comparison, stages: Stages | None, voice: Voice) -> str:
    """Whether the gate is open, and one action for whoever has to decide."""
    said = "🟢 gate open." if comparison.gate_passed else "⛔ gate closed."
    clauses = [said, *way_out(comparison, stages, voice.name)]
    if gate_says_more(comparison):
        reason = comparison.gate_reason.rstrip(".")
        clauses.insert(1, f"{voice.words(reason[:1].upper() + reason[1:], 140)}.")
    return joined(clauses, " ")
