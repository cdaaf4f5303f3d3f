"""The pull-request comment: which sections, in which order, and which of them go first when it is too long."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pawl.report.budget import COMMENT_LIMIT_UNITS, LEAST_UNITS, Section, fit
from pawl.report.change_section import changes_section, params_section
from pawl.report.data_section import data_section
from pawl.report.evidence_sections import flips_section, reliability_section, slices_section
from pawl.report.history import RESERVED_UNITS, push_of, render_history
from pawl.report.metric_sections import first_lines, methods_section, metrics_section, other_metrics_section
from pawl.report.picture_lines import picture_lines
from pawl.report.receipt_sections import cost_section, receipts_section
from pawl.report.result_sections import confusion_section, curves_section
from pawl.report.run_sections import (
    all_notes,
    failure_section,
    footer,
    notes_section,
    reproduce_section,
    stages_section,
)
from pawl.schema import Comparison, Plan, Stages, Tracking

_FOLDED = (
    "reliability",
    "confusion matrices",
    "training curves",
    "receipts",
    "cost",
    "stages",
    "how it was decided",
    "parameters",
    "data",
    "slices",
    "flips",
    "other metrics",
)
"""The least needed first."""

SHORTENED_FIRST = (
    *_FOLDED,
    "notes",
    "logs",
    "metrics",
    *_FOLDED,
    "other metrics",
    "what changed",
    "how to reproduce it",
    "logs",
    "notes",
    "metrics",
    "what changed",
    "what changed",
)
"""Everything is shortened before anything is left out; the first three lines, the commits and the row of this push are
never given up."""

RESERVE_UNITS = RESERVED_UNITS + 1_000
"""For the rows of earlier pushes, and for the mark by which the comment is found again."""


def render_comment(
    plan: Plan,
    stages: Stages | None,
    comparison: Comparison,
    tracking: Tracking | None,
    *,
    addresses: Mapping[str, str] = MappingProxyType({}),
    reserve_units: int = RESERVE_UNITS,
) -> str:
    """The comment as GitHub Markdown, at least `reserve_units` UTF-16 units shorter than GitHub allows.

    Its first three lines say the verdict, how sure it is, and what to do. `addresses`: stem of a picture -> where it is
    hosted; a picture without an https address is told as text. Raises ValueError for a reserve that leaves no room for
    the verdict.
    """
    limit = COMMENT_LIMIT_UNITS - reserve_units
    if limit < LEAST_UNITS:
        raise ValueError(f"reserve_units must be at most {COMMENT_LIMIT_UNITS - LEAST_UNITS}, not {reserve_units}")
    start = Section("verdict", (first_lines(comparison, stages),))
    notes = notes_section(all_notes(plan, comparison))
    end = Section("history", (f"{footer(comparison)}\n\n{render_history([push_of(comparison, stages)])}",))
    if comparison.verdict == "unchanged":
        return fit([start, notes, end], SHORTENED_FIRST, limit)
    pictures = picture_lines(comparison, addresses)
    forest = pictures.get(("forest", ""), "")
    sections = [
        start,
        failure_section(stages),
        metrics_section(comparison),
        changes_section(plan, comparison),
        notes,
        Section("intervals", (forest,)),
        other_metrics_section(comparison),
        flips_section(comparison, pictures),
        slices_section(comparison),
        data_section(comparison, pictures),
        params_section(plan, comparison),
        methods_section(comparison),
        curves_section(comparison.curves, pictures),
        confusion_section(comparison.confusions, pictures),
        reliability_section(comparison, pictures),
        stages_section(plan, stages),
        receipts_section(plan, stages, tracking),
        cost_section(stages),
        reproduce_section(comparison),
        end,
    ]
    return fit(sections, SHORTENED_FIRST, limit)
