"""What the HTML report says about pairing, slices and calibration, as plain text for its template to escape."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from pawl.report.escape import one_line
from pawl.report.intervals import show_interval, show_p, show_signed
from pawl.report.numbers import show_count, show_number
from pawl.report.page_bars import Span, bar, show_share, span_of
from pawl.report.page_results import tone
from pawl.report.verdict import PLAIN_MARKS
from pawl.schema import Comparison, Evidence, ReliabilityBin, SliceComparison

MOST_SLICE_ROWS = 300
MOST_RELIABILITIES = 20

_URGENCY = ("worse", "not comparable", "no measurable change", "better")


def _pairing(evidence: Evidence) -> dict[str, Any]:
    said = [f"{show_count(evidence.paired)} examples are on both sides"]
    if evidence.groups is not None:
        said.append(f"in {show_count(evidence.groups)} groups")
    for count, what in (
        (evidence.base_only, "only in base"),
        (evidence.head_only, "only in head"),
        (evidence.other_targets, "with another target"),
    ):
        if count:
            said.append(f"{show_count(count)} {what}")
    return {
        "name": one_line(evidence.name, 80),
        "path": one_line(evidence.path, 120),
        "text": ", ".join(said),
        "problem": one_line(evidence.problem, 400),
        "notes": [one_line(note, 400) for note in evidence.notes],
    }


def _slice(evidence: Evidence, part: SliceComparison, span: Span) -> dict[str, Any]:
    return {
        "task": one_line(evidence.name, 60),
        "column": one_line(part.column, 60),
        "value": one_line(part.value, 60),
        "metric": one_line(part.metric, 60),
        "examples": (show_count(part.examples), part.examples),
        "base": (show_number(part.base), part.base),
        "head": (show_number(part.head), part.head),
        "change": (show_signed(part.difference), part.difference),
        "interval": show_interval(part.lower, part.upper),
        "bar": bar(span, part.difference, part.lower, part.upper),
        "p_value": (show_p(part.p_corrected), part.p_corrected),
        "verdict": part.verdict,
        "mark": PLAIN_MARKS[part.verdict],
        "tone": tone(part.verdict),
    }


def _slices(comparison: Comparison) -> tuple[list[dict[str, Any]], int]:
    """The worst ones, those of all tasks together, and how many there are."""
    found = [(one, part) for one in comparison.evidence for part in one.slices]
    found.sort(key=lambda item: _URGENCY.index(item[1].verdict))
    drawn: dict[tuple[str, str], list[float]] = {}
    for one, part in found:
        drawn.setdefault((one.name, part.metric), []).extend((part.difference, part.lower, part.upper))
    spans = {key: span_of(values) for key, values in drawn.items()}
    return [_slice(one, part, spans[one.name, part.metric]) for one, part in found[:MOST_SLICE_ROWS]], len(found)


def _bin(side: ReliabilityBin | None) -> dict[str, str]:
    if side is None:
        return {"confidence": "", "share_right": "", "examples": ""}
    return {
        "confidence": show_number(side.confidence, 3),
        "share_right": show_share(side.share_right),
        "examples": show_count(side.examples),
    }


def evidence_parts(comparison: Comparison) -> dict[str, Any]:
    """Which examples were paired, every slice with its interval, and how sure each side is beside how often right."""
    slices, slice_count = _slices(comparison)
    measured = [(one, one.reliability) for one in comparison.evidence if one.reliability is not None]
    return {
        "pairings": [_pairing(one) for one in comparison.evidence],
        "slices": slices,
        "slices_more": slice_count - len(slices),
        "several_tasks": len({one.name for one in comparison.evidence}) > 1,
        "reliability": [
            {
                "name": one_line(one.name, 60),
                "rows": [(_bin(base), _bin(head)) for base, head in zip_longest(bins.base, bins.head)],
            }
            for one, bins in measured[:MOST_RELIABILITIES]
        ],
        "reliability_more": len(measured) - MOST_RELIABILITIES,
    }
