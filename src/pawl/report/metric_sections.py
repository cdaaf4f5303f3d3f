"""The sections of the comment about the metrics: the first three lines, the deciding ones, the others, the methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pawl.report.budget import Section
from pawl.report.escape import code, code_cell, prose
from pawl.report.first_lines import MARKDOWN, by_how_much, how_sure, what_to_do
from pawl.report.intervals import deciding_p, p_cell, show_interval, show_size
from pawl.report.markdown import bullets, folded, table, unbroken
from pawl.report.numbers import NOTHING, show_change, show_count, show_metric
from pawl.report.verdict import MARKS, WORDS, better_when, described, in_order
from pawl.schema import Comparison, MetricComparison, Revision, Stages

SHOWN_OPEN = 10
"""Where no metric is primary: how many of those that are judged stand open."""
MOST_OPEN = 40
MOST_FOLDED = 300


def first_lines(comparison: Comparison, stages: Stages | None) -> str:
    """Three lines: the verdict and by how much, how sure, what to do."""
    start = f"### {MARKS[comparison.verdict]} **{WORDS[comparison.verdict]}**"
    verdict = f"{start}: {by_how_much(comparison, stages, MARKDOWN)}"
    sure = how_sure(comparison, MARKDOWN)
    # Outside of comments, such as in a job's summary, GitHub joins lines that do not end with a backslash.
    return f"{verdict}\n**How sure**: {sure}\\\n**What to do**: {what_to_do(comparison, stages, MARKDOWN)}"


def side_title(revision: Revision) -> str:
    """A revision as a table cell: its name and short commit."""
    return f"{code_cell(revision.name, 30)} {code(revision.commit[:7])}"


def opened_and_folded(comparison: Comparison) -> tuple[list[MetricComparison], list[MetricComparison]]:
    """The metrics that stand open (the primary ones; without any, the first that are judged), and the others."""
    metrics = in_order(comparison.metrics)
    count = sum(m.primary for m in metrics) or min(SHOWN_OPEN, sum(not described(m) for m in metrics))
    return metrics[:count], metrics[count:]


def _row(metric: MetricComparison) -> list[str]:
    text = show_metric(metric)
    name = f"**{prose(metric.name, 80)}**" if metric.primary else prose(metric.name, 80)
    if metric.direction == "lower" or (metric.direction == "higher" and metric.direction_guessed):
        name += f" <sub>{better_when(metric)}</sub>"
    interval = NOTHING
    if metric.lower is not None and metric.upper is not None:
        interval = unbroken(show_interval(metric.lower, metric.upper))
    verdict = "described" if described(metric) else f"{MARKS[metric.verdict]} {metric.verdict}"
    return [name, text.base, text.head, show_change(metric) or NOTHING, interval, verdict]


def _table(comparison: Comparison, metrics: Sequence[MetricComparison]) -> str:
    base, head = (f"{word} {side_title(r)}" for word, r in (("Base", comparison.base), ("Head", comparison.head)))
    header = ["Metric", base, head, "Change", "95 % interval", "Verdict"]
    return table(header, "lrrrrl", [_row(m) for m in metrics])


def metrics_section(comparison: Comparison) -> Section:
    """The metrics that the verdict rests on."""
    if not comparison.metrics:
        return Section("metrics", ("*There is no metric to compare.*",))
    metrics = opened_and_folded(comparison)[0]
    if not metrics:
        return Section("metrics", ("*No metric has a direction, so none is judged.*",))

    def form(most: int) -> str:
        parts = [_table(comparison, metrics[:most])]
        if len(metrics) > most:
            parts.append(f"and {len(metrics) - most:,} more")
        return "\n\n".join(parts)

    return Section("metrics", (form(MOST_OPEN), form(SHOWN_OPEN), form(3)))


def other_metrics_section(comparison: Comparison) -> Section:
    """Every metric that the verdict does not rest on."""
    metrics = opened_and_folded(comparison)[1]
    if not metrics:
        return Section("other metrics", ("",))
    counts = Counter(m.verdict for m in metrics if not described(m))
    said = "".join(
        f", {counts[verdict]} {verdict}" for verdict in ("worse", "not comparable", "better") if counts[verdict]
    )
    summary = f"<b>Other metrics</b> ({len(metrics)}{said})"

    def form(most: int) -> str:
        more = f"\n\nand {len(metrics) - most:,} more" if len(metrics) > most else ""
        return folded(summary, _table(comparison, metrics[:most]) + more)

    return Section("other metrics", (form(MOST_FOLDED), form(MOST_OPEN), form(SHOWN_OPEN), ""))


def _how(metric: MetricComparison) -> list[str]:
    p_value, corrected = metric.p_value, metric.p_corrected
    p_text = NOTHING if p_value is None else p_cell(p_value)
    if p_value is not None and corrected is not None and corrected != p_value:
        p_text += f" → {p_cell(deciding_p(metric) or 0.0)}"
    examples = NOTHING if metric.examples is None else show_count(metric.examples)
    if metric.groups is not None:
        examples += f" in {show_count(metric.groups)} groups"
    return [
        prose(metric.name, 60),
        code_cell(metric.method, 80) if metric.method else NOTHING,
        examples,
        p_text,
        NOTHING if metric.detectable is None else show_size(metric.detectable),
        NOTHING if metric.seed_sd is None else show_size(metric.seed_sd),
        prose(metric.reason, 160) or NOTHING,
    ]


def methods_section(comparison: Comparison) -> Section:
    """What the gate and each verdict rest on: method, examples, p, smallest detectable difference, spread of seeds."""
    metrics = [m for m in in_order(comparison.metrics) if not described(m) and (m.primary or m.method or m.reason)]
    notes = [(evidence.name, note) for evidence in comparison.evidence for note in evidence.notes]
    reasons = {m.reason for m in metrics}
    notes += [(e.name, e.problem) for e in comparison.evidence if e.problem and e.problem not in reasons]
    if not metrics and not notes:
        return Section("how it was decided", ("",))

    def form(most: int, most_notes: int) -> str:
        header = ["Metric", "Method", "Examples", "p (corrected)", "Detectable", "Seed s.d.", "Because"]
        parts = [table(header, "llrrrrl", [_how(m) for m in metrics[:most]])] if metrics else []
        if len(metrics) > most:
            parts.append(f"and {len(metrics) - most:,} more")
        items = [f"Gate: {prose(comparison.gate_reason.rstrip('.'), 300)}."]
        items += [f"{code(name, 40)}: {prose(note, 300)}" for name, note in notes[:most_notes]]
        if comparison.noise:
            noise = comparison.noise
            items.append(f"Spread between {show_count(noise.seeds)} seeds, trained from {code(noise.commit[:7])}.")
        parts.append(bullets(items))
        return folded("<b>How it was decided</b>", "\n\n".join(parts))

    return Section("how it was decided", (form(MOST_OPEN, 12), form(SHOWN_OPEN, 4), ""))
