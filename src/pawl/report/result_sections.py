"""The sections of the comment about training curves and confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.report.budget import Section
from pawl.report.confusion import MOST_CLASSES_WHOLE, most_confused, recall_changes, recalls, usable
from pawl.report.curves import curve_texts
from pawl.report.escape import code_cell, prose
from pawl.report.markdown import folded, table
from pawl.report.numbers import NOTHING, show_cell, show_count, show_recall
from pawl.report.picture_lines import Lines
from pawl.schema import Confusion, Curve


def _curve_rows(curve: Curve) -> list[list[str]]:
    rows: list[list[str]] = []
    for side, text in zip(("base", "head"), curve_texts(curve), strict=True):
        name = f"{code_cell(curve.group, 30)} {code_cell(curve.name, 40)}" if not rows else ""
        if text is None:
            rows.append([name, side, "*none*", "", "", ""])
        else:
            rows.append([name, side, f"`{text.shape}`", text.first, text.best or NOTHING, text.last])
    return rows


def curves_section(curves: Sequence[Curve], pictures: Lines) -> Section:
    """The training curves as pictures; those without one as text, base above head, on one scale per curve."""
    if not curves:
        return Section("training curves", ("",))
    drawn = [pictures["curves", g] for g in dict.fromkeys(c.group for c in curves) if ("curves", g) in pictures]
    told = [curve for curve in curves if ("curves", curve.group) not in pictures]

    def form(most: int) -> str:
        parts = list(drawn)
        if told:
            rows = [row for curve in told[:most] for row in _curve_rows(curve)]
            parts.append(table(["Curve", "Side", "Shape", "First", "Best", "Last"], "lllrrr", rows))
        if len(told) > most:
            parts.append(f"and {len(told) - most} more")
        return folded(f"<b>Training curves</b> ({len(curves)})", "\n\n".join(parts))

    return Section("training curves", (form(40), form(10), ""))


def _whole_matrix(confusion: Confusion) -> str:
    labels = [code_cell(label, 20) for label in confusion.labels]
    base, head = confusion.base, confusion.head
    shares = recalls(head if head is not None else base)
    changes = recall_changes(confusion)
    rows = []
    for i, label in enumerate(labels):
        cells = [
            show_cell(base[i][j] if base else None, head[i][j] if head else None, i == j) for j in range(len(labels))
        ]
        cells[i] = f"**{cells[i]}**"
        rows.append([label, *cells, show_recall(shares[i], changes[i])])
    return table(["True \\ predicted", *labels, "Recall"], "l" + "r" * (len(labels) + 1), rows)


def _confused_pairs(confusion: Confusion, most: int) -> str:
    def count(value: int | None) -> str:
        return NOTHING if value is None else show_count(value)

    names = confusion.labels
    pairs = most_confused(confusion, most)
    rows = [
        [code_cell(names[p.true], 30), code_cell(names[p.predicted], 30), count(p.base), count(p.head)] for p in pairs
    ]
    parts = [table(["True", "Predicted", "Base", "Head"], "llrr", rows) if rows else "No example is confused."]
    shares = recalls(confusion.head)
    moved = [(i, change) for i, change in enumerate(recall_changes(confusion)) if change]
    moved.sort(key=lambda item: -abs(item[1]))
    if moved:
        rows = [[code_cell(names[i], 30), show_recall(shares[i], change)] for i, change in moved[: most // 2 + 1]]
        parts.append(table(["Class", "Recall, and its change"], "lr", rows))
    return "\n\n".join(parts)


def _confusion_text(confusion: Confusion, most_pairs: int, whole: bool) -> str:
    title = f"**{prose(confusion.name, 80)}**"
    if not usable(confusion):
        return f"{title}: not a square of counts with a row per label, so it is not shown."
    sides = "base → head" if confusion.base and confusion.head else f"{'head' if confusion.head else 'base'} only"
    if whole and len(confusion.labels) <= MOST_CLASSES_WHOLE:
        return f"{title} (examples, {sides})\n\n{_whole_matrix(confusion)}"
    return f"{title} (most confused pairs, {sides})\n\n{_confused_pairs(confusion, most_pairs)}"


def confusion_section(confusions: Sequence[Confusion], pictures: Lines) -> Section:
    """The confusion matrices: a picture, or whole up to twelve classes, or their most confused pairs."""
    if not confusions:
        return Section("confusion matrices", ("",))

    def form(most: int, most_pairs: int, whole: bool) -> str:
        body = "\n\n".join(
            pictures.get(("confusion", str(i)), "") or _confusion_text(confusion, most_pairs, whole)
            for i, confusion in enumerate(confusions[:most])
        )
        if len(confusions) > most:
            body += f"\n\nand {len(confusions) - most} more"
        word = "Confusion matrix" if len(confusions) == 1 else "Confusion matrices"
        count = f" ({len(confusions)})" if len(confusions) > 1 else ""
        return folded(f"<b>{word}</b>{count}", body)

    return Section("confusion matrices", (form(8, 12, True), form(4, 6, False), ""))
