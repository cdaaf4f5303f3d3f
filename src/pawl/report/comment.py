"""The pull-request comment: which sections, in which order, and which of them go first when it is too long."""

from __future__ import annotations

from pawl.report.budget import COMMENT_LIMIT_UNITS, LEAST_UNITS, Section, fit
from pawl.report.result_sections import confusion_section, curves_section, gate_line, metrics_section, verdict_line
from pawl.report.run_sections import (
    all_notes,
    changes_section,
    failure_section,
    footer,
    notes_section,
    reproduce_section,
    stages_section,
)
from pawl.schema import Comparison, Plan, Stages, Tracking

SHORTENED_FIRST = (
    "confusion matrices",
    "training curves",
    "stages",
    "metrics",
    "what changed",
    "notes",
    "confusion matrices",
    "training curves",
    "logs",
    "metrics",
    "stages",
    "how to reproduce it",
    "what changed",
    "notes",
    "logs",
    "metrics",
    "metrics",
)
"""The least needed first; the verdict, the gate and the commits are never given up."""


def render_comment(
    plan: Plan, stages: Stages | None, comparison: Comparison, tracking: Tracking | None, *, reserve_units: int = 1_024
) -> str:
    """The comment as GitHub Markdown, at least `reserve_units` UTF-16 units shorter than GitHub allows.

    The verdict is its first line. Raises ValueError for a reserve that leaves no room for the verdict.
    """
    limit = COMMENT_LIMIT_UNITS - reserve_units
    if limit < LEAST_UNITS:
        raise ValueError(f"reserve_units must be at most {COMMENT_LIMIT_UNITS - LEAST_UNITS}, not {reserve_units}")
    start = [Section("verdict", (verdict_line(comparison, stages),)), Section("gate", (gate_line(comparison),))]
    notes = notes_section(all_notes(plan, comparison))
    if comparison.verdict == "unchanged":
        return fit([*start, notes, footer(comparison)], SHORTENED_FIRST, limit)
    sections = [
        *start,
        failure_section(stages),
        metrics_section(comparison),
        changes_section(plan, comparison),
        stages_section(plan, stages, tracking),
        notes,
        curves_section(comparison.curves),
        confusion_section(comparison.confusions),
        reproduce_section(comparison),
        footer(comparison),
    ]
    return fit(sections, SHORTENED_FIRST, limit)
