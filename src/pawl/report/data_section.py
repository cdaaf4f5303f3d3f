"""The section of the comment about the data: which examples, how many of each class, what moved, what leaks."""

from __future__ import annotations

from pawl.report.budget import Section
from pawl.report.escape import code, code_cell, prose
from pawl.report.intervals import LEVEL, p_cell, show_p
from pawl.report.markdown import bullets, folded, table
from pawl.report.numbers import share_of, show_count, show_number
from pawl.report.picture_lines import Lines
from pawl.schema import Comparison, DataDifference, Finding, Names, SplitDifference

_SIDES = {"base": "base", "head": "head", "between": "head against base"}

_FOUND = {
    "in two splits": "in two splits",
    "same content, other label": "with the same content and another label",
    "repeated": "repeated",
}


def counts_line(difference: DataDifference) -> str:
    """How many examples were added, removed and changed, and what is doubtful about them, in a line."""
    moved = [
        f"{show_count(count)} {word}"
        for count, word in (
            (difference.added, "added"), (difference.removed, "removed"), (difference.changed, "changed"),
        )
        if count
    ]  # fmt: skip
    files = f"{show_count(difference.base_files)} → {show_count(difference.head_files)} files"
    said = [f"{files} ({', '.join(moved)})" if moved else files]
    said += [
        f"{_what(split)} differ in {code(split.split, 30)} ({show_p(split.p_value)})"
        for split in difference.splits
        if split.p_value is not None and split.p_value < LEVEL
    ]
    said += [_found(finding) for finding in difference.findings if finding.side != "base"]
    return f"{code(difference.name, 40)}: {'; '.join(said[:6])}"


def _what(split: SplitDifference) -> str:
    return "the labels" if split.test == "Kolmogorov-Smirnov" else "the shares of the classes"


def _found(finding: Finding) -> str:
    examples = "example" if finding.count == 1 else "examples"
    return f"⚠️ {show_count(finding.count)} {examples} {_FOUND[finding.kind]} ({_SIDES[finding.side]})"


def _names(what: str, names: Names, count: int, most: int) -> str:
    shown = ", ".join(code(name, 60) for name in names[:most])
    left = count - len(names[:most])
    more = f" and {show_count(left)} more" if left > 0 else ""
    return f"{what}: {shown}{more}" if shown else ""


def _split_line(split: SplitDifference) -> str:
    text = f"{code(split.split, 40)}: {show_count(split.base)} → {show_count(split.head)} examples"
    if split.test and split.p_value is not None:
        size = f", Cramér's V {show_number(split.cramers_v, 2)}" if split.cramers_v is not None else ""
        text += f"; {_what(split)}: {split.test} {show_p(split.p_value)}{size}"
    return text


def _share(count: int, total: int) -> str:
    return f"{show_count(count)} ({100 * share_of(count, total):.1f} %)"


def _classes(split: SplitDifference, most: int) -> str:
    base, head = (sum(c.base for c in split.classes), sum(c.head for c in split.classes))
    rows = [[code_cell(c.label, 40), _share(c.base, base), _share(c.head, head)] for c in split.classes[:most]]
    more = f"\n\nand {len(split.classes) - most:,} more classes" if len(split.classes) > most else ""
    return f"Classes of {code(split.split, 40)}\n\n{table(['Class', 'Base', 'Head'], 'lrr', rows)}{more}"


def _shifts(difference: DataDifference, most: int) -> str:
    rows = [
        [
            prose(s.what, 60),
            show_number(s.base_mean),
            show_number(s.head_mean),
            show_number(s.distance, 2),
            p_cell(s.p_value),
        ]
        for s in difference.shifts[:most]
    ]
    header = ["Property", "Base mean", "Head mean", "KS distance", "p"]
    return table(header, "lrrrr", rows) if rows else ""


def _difference(difference: DataDifference, picture: str, most_names: int, most_classes: int) -> str:
    items = [
        _names("added", difference.added_names, difference.added, most_names),
        _names("removed", difference.removed_names, difference.removed, most_names),
        _names("changed", difference.changed_names, difference.changed, most_names),
        *(
            _names(_found(finding), finding.names, finding.count, most_names) or _found(finding)
            for finding in difference.findings
        ),
        *(_split_line(split) for split in difference.splits),
    ]
    parts = [f"**{prose(difference.name, 60)}** <sub>from the {difference.source}</sub> {code(difference.path, 80)}"]
    parts += [bullets([item for item in items if item])] if any(items) else []
    if picture:
        parts.append(picture)
    elif most_classes:
        uneven = [split for split in difference.splits if any(c.base != c.head for c in split.classes)]
        parts += [_classes(split, most_classes) for split in uneven[:4]]
    parts.append(_shifts(difference, 20 if most_classes else 4))
    return "\n\n".join(part for part in parts if part)


def data_section(comparison: Comparison, pictures: Lines) -> Section:
    """How the data differ: names, classes per split with their tests, image properties, leaks and repeats."""
    differences = comparison.data
    if not differences:
        return Section("data", ("",))
    found = sum(finding.side != "base" for difference in differences for finding in difference.findings)
    word = "warning" if found == 1 else "warnings"
    summary = f"<b>Data</b> ({len(differences)} changed{f', {found} {word}' if found else ''})"

    def form(most: int, most_names: int, most_classes: int) -> str:
        said = [
            _difference(difference, pictures.get(("classes", str(i)), ""), most_names, most_classes)
            for i, difference in enumerate(differences[:most])
        ]
        said += [f"and {len(differences) - most:,} more"] if len(differences) > most else []
        return folded(summary, "\n\n".join(said))

    return Section("data", (form(12, 10, 30), form(4, 3, 0), ""))
