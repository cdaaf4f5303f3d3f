"""What the HTML report says about the data of two sides, as plain text for its template to escape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pawl.report.escape import one_line
from pawl.report.intervals import show_p
from pawl.report.numbers import show_count, show_difference, show_number
from pawl.report.page_bars import show_share
from pawl.schema import Comparison, DataDifference, Finding, Shift, SplitDifference

MOST_DATA = 10
MOST_CLASS_ROWS = 100
MOST_NAMES = 10

_FINDINGS = {
    "in two splits": "have their content in two splits",
    "same content, other label": "have the content of others and another label",
    "repeated": "are repeated",
}
_SIDES = {"base": "of base", "head": "of head", "between": "of head, beside base's,"}


def _names(names: Sequence[str], count: int) -> dict[str, Any]:
    shown = names[:MOST_NAMES]
    return {"names": [one_line(name, 80) for name in shown], "more": max(0, count - len(shown))}


def _tested(split: SplitDifference) -> str:
    if split.test is None or split.p_value is None:
        return ""
    size = "" if split.cramers_v is None else f", Cramér's V {show_number(split.cramers_v, 2)}"
    return f"{split.test} {show_p(split.p_value)}{size}"


def _share(count: int, total: int) -> float:
    # Whole numbers are compared first: a count may be beyond what a float can hold.
    if total <= 0 or count <= 0:
        return 0.0
    return 1.0 if count >= total else count / total


def _classes(split: SplitDifference, most: int) -> list[dict[str, Any]]:
    base_total, head_total = sum(c.base for c in split.classes), sum(c.head for c in split.classes)
    rows = []
    for count in split.classes[:most]:
        base, head = _share(count.base, base_total), _share(count.head, head_total)
        rows.append(
            {
                "split": one_line(split.split, 40),
                "label": one_line(count.label, 60),
                "base": (f"{show_count(count.base)} · {show_share(base)}", base),
                "head": (f"{show_count(count.head)} · {show_share(head)}", head),
                "change": (show_difference(100 * (head - base), 1), head - base),
            }
        )
    return rows


def _shift(shift: Shift) -> dict[str, Any]:
    return {
        "what": one_line(shift.what, 80),
        "base": (show_number(shift.base_mean), shift.base_mean),
        "head": (show_number(shift.head_mean), shift.head_mean),
        "distance": (show_number(shift.distance, 2), shift.distance),
        "p_value": (show_p(shift.p_value), shift.p_value),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    text = f"{show_count(finding.count)} {_SIDES[finding.side]} {_FINDINGS[finding.kind]}"
    return {"text": text, **_names(finding.names, finding.count)}


def _one(data: DataDifference) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for split in data.splits:
        rows += _classes(split, MOST_CLASS_ROWS - len(rows))
    largest = max((row[side][1] for row in rows for side in ("base", "head")), default=0.0)
    listed = [
        {"what": what, "count": show_count(count), **_names(names, count)}
        for what, count, names in (
            ("added", data.added, data.added_names),
            ("removed", data.removed, data.removed_names),
            ("changed", data.changed, data.changed_names),
        )
    ]
    return {
        "name": one_line(data.name, 80),
        "path": one_line(data.path, 120),
        "source": data.source,
        "base_files": show_count(data.base_files),
        "head_files": show_count(data.head_files),
        "listed": listed,
        "splits": [
            {
                "split": one_line(split.split, 40),
                "base": (show_count(split.base), split.base),
                "head": (show_count(split.head), split.head),
                "tested": _tested(split),
            }
            for split in data.splits
        ],
        "largest_share": largest or 1.0,
        "classes": rows,
        "classes_more": sum(len(split.classes) for split in data.splits) - len(rows),
        "shifts": [_shift(shift) for shift in data.shifts],
        "findings": [_finding(finding) for finding in data.findings],
    }


def data_parts(comparison: Comparison) -> dict[str, Any]:
    """Files, class shares with their tests, image shifts, and what is wrong with examples."""
    return {
        "data": [_one(data) for data in comparison.data[:MOST_DATA]],
        "data_more": len(comparison.data) - MOST_DATA,
    }
