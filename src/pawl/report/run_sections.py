"""The sections of the comment about the run: stages, failures, notes, how to reproduce it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from pawl.report.budget import Section
from pawl.report.escape import code, code_cell, fence, one_line, prose
from pawl.report.markdown import bullets, folded, table
from pawl.report.numbers import NOTHING, show_bytes, show_count, show_seconds
from pawl.report.receipt_sections import outcome_words
from pawl.report.stage_rows import StageRow, stage_notes, stage_rows
from pawl.report.verdict import failed_stages
from pawl.schema import Comparison, Plan, Stages

MOST_NOTES_OPEN = 3


def _outcome(outcome: str, seconds: float | None) -> str:
    took = show_seconds(seconds) if outcome in ("trained", "failed") else ""
    return f"{outcome_words(outcome)}{' ' + took if took else ''}"


def _stage_row(row: StageRow) -> list[str]:
    return [
        code_cell(row.name, 60),
        _outcome(row.base, row.base_seconds),
        _outcome(row.head, row.head_seconds),
        show_bytes(row.peak_memory_bytes) or NOTHING,
    ]


def _machine(stages: Stages) -> str:
    machine = stages.machine
    return (
        f"{show_seconds(stages.seconds) or '0 s'} in all, on {code(machine.device, 80)} with "
        f"{show_count(machine.cpu_count)} CPUs and {show_bytes(machine.memory_bytes) or 'unknown'} of memory, "
        f"Python {code(machine.python, 20)}."
    )


def _stages_summary(rows: Sequence[StageRow], stages: Stages | None) -> str:
    if stages is None:
        return "<b>Stages</b> (planned, not run)"
    outcomes = Counter(result.outcome for result in stages.stages if result.outcome != "unchanged")
    idle = sum(row.idle for row in rows)
    said = [f"{count} {outcome}" for outcome, count in outcomes.items()] + ([f"{idle} unchanged"] if idle else [])
    return f"<b>Stages</b> ({', '.join(said)})" if said else "<b>Stages</b>"


def stages_section(plan: Plan, stages: Stages | None) -> Section:
    """What happened to each stage on both sides, and what it took."""
    rows = stage_rows(plan, stages)
    if not rows and stages is None:
        return Section("stages", ("",))
    busy = [row for row in rows if not row.idle]
    noted = list(stage_notes(plan, stages).items())

    def form(most_rows: int, most_notes: int) -> str:
        parts = []
        if busy:
            shown = [_stage_row(row) for row in busy[:most_rows]]
            parts.append(table(["Stage", "Base", "Head", "Peak memory"], "lllr", shown))
        hidden = len(busy) - most_rows
        said = [f"{hidden:,} more stages."] if hidden > 0 else []
        said += [_machine(stages)] if stages else []
        parts.append(" ".join(said))
        notes = [f"{code(name, 60)}: {prose(note, 300)}" for name, note in noted[:most_notes]]
        if len(noted) > most_notes:
            notes.append(f"and {len(noted) - most_notes:,} more notes")
        parts += [bullets(notes)] if notes else []
        return folded(_stages_summary(rows, stages), "\n\n".join(part for part in parts if part))

    return Section("stages", (form(40, 12), form(8, 4), ""))


def failure_section(stages: Stages | None) -> Section:
    """What the failed stages printed last, and where the rest of it is."""
    failed = failed_stages(stages)
    if not failed:
        return Section("logs", ("",))

    def form(most_stages: int, most_lines: int, most_units: int) -> str:
        parts = []
        for result in failed[:most_stages]:
            ended = "" if result.exit_code is None else f", exit code {show_count(result.exit_code)}"
            where = f"; all of it is in {code('reports/' + result.log, 120)}" if result.log else ""
            parts.append(f"#### ❌ {result.side}: {code(result.name)}{ended}\n\nThe end of its output{where}.")
            if result.log_tail.strip() and most_lines:
                parts.append(fence(result.log_tail, most_lines=most_lines, most_units=most_units))
        if len(failed) > most_stages:
            parts.append(f"and {len(failed) - most_stages:,} more failed stages")
        return "\n\n".join(parts)

    return Section("logs", (form(3, 30, 6_000), form(1, 12, 2_000), form(1, 0, 0)))


def all_notes(plan: Plan, comparison: Comparison) -> list[str]:
    """The notes of all steps, each once."""
    return list(dict.fromkeys((*plan.notes, *comparison.notes)))


def notes_section(notes: Sequence[str]) -> Section:
    """Anything else that a reviewer should know; folded where it is much."""
    if not notes:
        return Section("notes", ("",))

    def form(most: int, limit: int) -> str:
        items = [prose(note, limit) for note in notes[:most]]
        if len(notes) > most:
            items.append(f"and {len(notes) - most} more")
        body = bullets(items)
        return (
            f"#### Notes\n\n{body}" if len(notes) <= MOST_NOTES_OPEN else folded(f"<b>Notes</b> ({len(notes)})", body)
        )

    return Section("notes", (form(12, 600), form(4, 200), ""))


def reproduce_lines(comparison: Comparison) -> str:
    """The commands that give the same result on another machine."""
    options = "".join(f" --set {shlex.quote(one_line(text, 2_000))}" for text in comparison.overrides)
    head, base = comparison.started_from or comparison.head.commit, comparison.base.commit
    commits = dict.fromkeys((base, head))
    return f"git fetch origin {' '.join(commits)}\ngit checkout --detach {head}\npawl run --base {base}{options}"


def reproduce_section(comparison: Comparison) -> Section:
    """How to get the same result on another machine."""
    block = fence(reproduce_lines(comparison), info="sh", most_lines=10, most_units=6_000)
    return Section("how to reproduce it", (folded("<b>Reproduce locally</b>", block), ""))


def footer(comparison: Comparison) -> str:
    """Which commits this is about. GitHub links a whole commit id by itself."""
    base, head = comparison.base, comparison.head
    return f"<sub>{code(head.name, 60)} {head.commit} against {code(base.name, 60)} {base.commit}</sub>"
