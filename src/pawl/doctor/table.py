"""The diagnosis on the terminal, and as plain lines elsewhere."""

from __future__ import annotations

import sys

from pawl.doctor.diagnosis import Diagnosis, Line

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """A table with one row for each line, the remedies below what was found, and how many of each state there are."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "check", "found"):
        table.add_column(column, overflow="fold")
    group = ""
    for line in diagnosis.lines:
        if line.group != group:
            table.add_section()
            group = line.group
        table.add_row(Text(line.state, style=_COLOURS[line.state]), Text(line.name), Text(_told(line)))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print(summary(diagnosis), markup=False)


def summary(diagnosis: Diagnosis) -> str:
    """How it stands, in one line."""
    states = [line.state for line in diagnosis.lines]
    unchecked = sum(not line.checked for line in diagnosis.lines)
    words = f"{states.count('error')} errors, {states.count('warning')} warnings, {states.count('ok')} ok"
    return words + (f"; {unchecked} not checked" if unchecked else "")


def _told(line: Line) -> str:
    return f"{line.found}\n{line.remedy}" if line.remedy else line.found
