"""The sections of the comment about what was measured: verdict, metrics, curves, confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.report.budget import Section
from pawl.report.confusion import MOST_CLASSES_WHOLE, most_confused, recall_changes, recalls, usable
from pawl.report.curves import curve_texts
from pawl.report.escape import code, code_cell, prose
from pawl.report.markdown import bullets, folded, table
from pawl.report.numbers import NOTHING, show_cell, show_change, show_count, show_metric, show_recall
from pawl.report.verdict import MARKS, MOST_NAMED, WORDS, better_when, described, failed_stages, in_order, named_metrics
from pawl.schema import Comparison, Confusion, Curve, MetricComparison, Revision, Stages

SHOWN_OPEN = 10
"""Where there are more metrics, the others and those that are only described are folded; primary ones never are."""


def verdict_line(comparison: Comparison, stages: Stages | None) -> str:
    """The first line: mark, bold word, and the primary metrics from base to head."""
    start = f"### {MARKS[comparison.verdict]} **{WORDS[comparison.verdict]}**"
    named = named_metrics(comparison)
    if named:
        said = []
        for item in named[:MOST_NAMED]:
            change = f" ({item.text.difference})" if item.text.difference else ""
            also = f", {item.said}" if item.said else ""
            said.append(f"{prose(item.metric.name, 80)} {item.text.base} → {item.text.head}{change}{also}")
        if len(named) > MOST_NAMED:
            said.append(f"and {len(named) - MOST_NAMED} more")
        return f"{start}: {'; '.join(said)}"
    failed = failed_stages(stages)
    if comparison.verdict == "failed" and failed:
        first = failed[0]
        ended = "" if first.exit_code is None else f" with exit code {show_count(first.exit_code)}"
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return f"{start}: {first.side}'s stage {code(first.name)} ended{ended}{more}"
    return f"{start}: {prose(comparison.headline.removeprefix(f'{WORDS[comparison.verdict]}: '), 300)}"


def gate_line(comparison: Comparison) -> str:
    """Whether this may be merged, and why."""
    state = "🟢 **Gate open**" if comparison.gate_passed else "⛔ **Gate closed**"
    return f"{state}: {prose(comparison.gate_reason, 300)}"


def side_title(revision: Revision) -> str:
    """A revision as a table cell: its name and short commit."""
    return f"{code_cell(revision.name, 40)} {code(revision.commit[:7])}"


def _metric_row(metric: MetricComparison) -> list[str]:
    text = show_metric(metric)
    name = f"**{prose(metric.name, 80)}** ★" if metric.primary else prose(metric.name, 80)
    if metric.direction == "lower" or (metric.direction == "higher" and metric.direction_guessed):
        name += f" <sub>{better_when(metric)}</sub>"
    verdict = "described" if described(metric) else f"{MARKS[metric.verdict]} {metric.verdict}"
    return [name, text.base, text.head, show_change(metric) or NOTHING, verdict]


def metrics_section(comparison: Comparison) -> Section:
    """Every metric against base, primary ones first, with the reasons that a reviewer may ask for."""
    metrics = in_order(comparison.metrics)
    if not metrics:
        return Section("metrics", ("*There is no metric to compare.*",))
    header = [
        "Metric",
        f"Base {side_title(comparison.base)}",
        f"Head {side_title(comparison.head)}",
        "Change",
        "Verdict",
    ]
    shown = len(metrics)
    if shown > SHOWN_OPEN:
        judged = sum(not described(m) for m in metrics) or SHOWN_OPEN
        shown = max(min(SHOWN_OPEN, judged), sum(m.primary for m in metrics))
    legend = "★ primary: the verdict rests on it." if any(m.primary for m in metrics) else ""

    def form(most_open: int, most_folded: int) -> str:
        parts = [table(header, "lrrrl", [_metric_row(m) for m in metrics[:most_open]])]
        explained = [
            m for m in metrics[:most_open] if m.primary or (m.verdict == "not comparable" and not described(m))
        ]
        reasons = bullets([f"{prose(m.name, 80)}: {prose(m.reason, 300)}" for m in explained[:6] if m.reason])
        parts += [text for text in (legend, reasons) if text]
        rest = metrics[most_open : most_open + most_folded]
        missing = len(metrics) - most_open - len(rest)
        if rest:
            tail = f"\n\nand {missing:,} more" if missing > 0 else ""
            body = table(header, "lrrrl", [_metric_row(m) for m in rest]) + tail
            parts.append(folded(f"{len(metrics) - most_open:,} more metrics", body))
        elif missing > 0:
            parts.append(f"and {missing:,} more")
        return "\n\n".join(parts)

    return Section(
        "metrics", (form(min(shown, 50), 500), form(min(shown, 50), 40), form(SHOWN_OPEN, 0), form(3, 0), "")
    )


def _curve_rows(curve: Curve) -> list[list[str]]:
    rows: list[list[str]] = []
    for side, text in zip(("base", "head"), curve_texts(curve), strict=True):
        name = f"{code_cell(curve.group, 30)} {code_cell(curve.name, 40)}" if not rows else ""
        if text is None:
            rows.append([name, side, "*none*", "", "", ""])
        else:
            rows.append([name, side, f"`{text.shape}`", text.first, text.best or NOTHING, text.last])
    return rows


def curves_section(curves: Sequence[Curve]) -> Section:
    """The training curves as text, base above head, on one scale per curve."""
    if not curves:
        return Section("training curves", ("",))

    def form(most: int) -> str:
        rows = [row for curve in curves[:most] for row in _curve_rows(curve)]
        body = table(["Curve", "Side", "Shape", "First", "Best", "Last"], "lllrrr", rows)
        if len(curves) > most:
            body += f"\n\nand {len(curves) - most} more"
        return folded(f"<b>Training curves</b> ({len(curves)})", body)

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


def confusion_section(confusions: Sequence[Confusion]) -> Section:
    """The confusion matrices: whole up to twelve classes, beyond that by their most confused pairs."""
    if not confusions:
        return Section("confusion matrices", ("",))

    def form(most: int, most_pairs: int, whole: bool) -> str:
        body = "\n\n".join(_confusion_text(c, most_pairs, whole) for c in confusions[:most])
        if len(confusions) > most:
            body += f"\n\nand {len(confusions) - most} more"
        word = "Confusion matrix" if len(confusions) == 1 else "Confusion matrices"
        count = f" ({len(confusions)})" if len(confusions) > 1 else ""
        return folded(f"<b>{word}</b>{count}", body)

    return Section("confusion matrices", (form(8, 12, True), form(4, 6, False), ""))
