"""The sections of the comment about single examples: which changed, in which slices, and how sure each side was."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.report.budget import Section
from pawl.report.escape import code_cell, prose
from pawl.report.intervals import p_cell, show_interval, show_p, show_signed
from pawl.report.markdown import folded, table, unbroken
from pawl.report.numbers import NOTHING, show_count, show_number
from pawl.report.picture_lines import Lines
from pawl.report.verdict import MARKS
from pawl.schema import Bins, Comparison, Evidence, Flip, Flips, SliceComparison

_KINDS = {"broken": "newly wrong", "fixed": "newly right"}


def confidence(value: float | None) -> str:
    """A score in brackets; empty where there is none."""
    return "" if value is None else f" ({show_number(value, 2)})"


def _flip_row(flip: Flip) -> list[str]:
    return [
        _KINDS[flip.kind],
        code_cell(flip.id, 60) + (f" <sub>of</sub> {code_cell(flip.group, 30)}" if flip.group is not None else ""),
        code_cell(flip.target, 30),
        code_cell(flip.base, 30) + confidence(flip.base_confidence),
        code_cell(flip.head, 30) + confidence(flip.head_confidence),
    ]


def _labels_table(flips: Flips, most: int) -> str:
    counts = [count for count in flips.per_label if count.broken or count.fixed]
    counts.sort(key=lambda count: (count.fixed - count.broken, -count.broken))
    rows = [
        [code_cell(c.label, 40), show_count(c.examples), show_count(c.broken), show_count(c.fixed)]
        for c in counts[:most]
    ]
    more = f"\n\nand {len(counts) - most:,} more classes" if len(counts) > most else ""
    return table(["Class", "Examples", "Newly wrong", "Newly right"], "lrrr", rows) + more if rows else ""


def _flips_of(evidence: Evidence, flips: Flips, picture: str, most: int, most_labels: int) -> str:
    test = evidence.mcnemar
    tested = f"; McNemar's exact test of equal accuracy: {show_p(test.p_value)}" if test else ""
    counts = f"{show_count(flips.broken)} newly wrong, {show_count(flips.fixed)} newly right"
    parts = [f"**{prose(evidence.name, 60)}**: of {show_count(evidence.paired)} examples {counts}{tested}."]
    parts += [picture, _labels_table(flips, most_labels)]
    if flips.shown and most:
        header = ["", "Example", "Target", "Base said", "Head says"]
        parts.append(table(header, "lllll", [_flip_row(flip) for flip in flips.shown[:most]]))
        left = flips.broken + flips.fixed - len(flips.shown[:most])
        parts += [f"The most confident ones; {show_count(left)} more."] if left > 0 else []
    return "\n\n".join(part for part in parts if part)


def _all_of(items: Sequence[str], most: int) -> str:
    more = [f"and {len(items) - most} more"] if len(items) > most else []
    return "\n\n".join([*items[:most], *more])


def flips_section(comparison: Comparison, pictures: Lines) -> Section:
    """Which examples changed between right and wrong: per class, and the most confident ones by their ids."""
    changed = [(i, e, e.flips) for i, e in enumerate(comparison.evidence) if e.flips and e.flips.broken + e.flips.fixed]
    if not changed:
        return Section("flips", ("",))
    broken = sum(flips.broken for _, _, flips in changed)
    fixed = sum(flips.fixed for _, _, flips in changed)
    summary = f"<b>Changed predictions</b> ({show_count(broken)} newly wrong, {show_count(fixed)} newly right)"

    def form(most_tasks: int, most: int, most_labels: int) -> str:
        said = [_flips_of(e, flips, pictures.get(("flips", str(i)), ""), most, most_labels) for i, e, flips in changed]
        return folded(summary, _all_of(said, most_tasks))

    return Section("flips", (form(8, 30, 30), form(4, 8, 8), ""))


def _slice_row(part: SliceComparison) -> list[str]:
    return [
        f"{code_cell(part.column, 30)} = {code_cell(part.value, 40)}",
        show_count(part.examples),
        prose(part.metric, 30),
        show_number(part.base, 3),
        show_number(part.head, 3),
        show_signed(part.difference),
        unbroken(show_interval(part.lower, part.upper)),
        p_cell(part.p_corrected),
        f"{MARKS[part.verdict]} {part.verdict}",
    ]


def slices_section(comparison: Comparison) -> Section:
    """Every slice with its own paired interval, the worst first."""
    sliced = [evidence for evidence in comparison.evidence if evidence.slices]
    if not sliced:
        return Section("slices", ("",))
    count = sum(len(evidence.slices) for evidence in sliced)
    worse = sum(part.verdict == "worse" for evidence in sliced for part in evidence.slices)
    summary = f"<b>Slices</b> ({count}{f', {worse} worse' if worse else ''})"
    header = ["Slice", "Examples", "Metric", "Base", "Head", "Change", "95 % interval", "p (Holm)", "Verdict"]

    def of(evidence: Evidence, most: int) -> str:
        rows = [_slice_row(part) for part in evidence.slices[:most]]
        more = f"\n\nand {len(evidence.slices) - most:,} more" if len(evidence.slices) > most else ""
        return f"**{prose(evidence.name, 60)}**\n\n{table(header, 'lrlrrrrrl', rows)}{more}"

    def form(most_tasks: int, most: int) -> str:
        return folded(summary, _all_of([of(evidence, most) for evidence in sliced], most_tasks))

    return Section("slices", (form(8, 40), form(4, 8), ""))


def _bins_table(base: Bins, head: Bins) -> str:
    def cells(side: Bins, i: int) -> list[str]:
        if i >= len(side):
            return [NOTHING] * 3
        one = side[i]
        return [show_number(one.confidence, 3), show_number(one.share_right, 3), show_count(one.examples)]

    header = ["Base: confidence", "right", "examples", "Head: confidence", "right", "examples"]
    rows = [[*cells(base, i), *cells(head, i)] for i in range(max(len(base), len(head)))]
    return table(header, "rrrrrr", rows)


def reliability_section(comparison: Comparison, pictures: Lines) -> Section:
    """How often each side is right when it is how sure."""
    measured = [(i, e, e.reliability) for i, e in enumerate(comparison.evidence) if e.reliability]
    if not measured:
        return Section("reliability", ("",))

    def form(most: int) -> str:
        said = []
        for i, evidence, reliability in measured:
            picture = pictures.get(("reliability", str(i)), "")
            body = picture or _bins_table(reliability.base, reliability.head)
            said.append(f"**{prose(evidence.name, 60)}**\n\n{body}")
        return folded("<b>Reliability</b>", _all_of(said, most))

    return Section("reliability", (form(8), form(2), ""))
