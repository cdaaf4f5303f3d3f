"""What `pawl init` did, on the terminal."""

from __future__ import annotations

import sys
from collections import Counter

from pawl.init.outcome import PlacedFile, Setup
from pawl.publish.github_api import one_line

_CONTROL = dict.fromkeys((*range(9), *range(11, 32), 127, *range(128, 160)))
_WORDS = {
    "missing": "missing",
    "lacks": "lacks lines",
    "same": "as it should be",
    "differs": "differs, left as it is",
    "blocked": "cannot be written",
    "yours": "yours, left as it is",
}


def show_setup(setup: Setup) -> None:
    """One row for each file, or for a folder of which all files are alike; then guesses, differences and notes."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("file", "state", "note"):
        table.add_column(column, overflow="fold")
    for name, state, note in rows(setup):
        table.add_row(*(Text(cell.translate(_CONTROL)) for cell in (name, state, note)))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for line in lines(setup):
        console.print(line.translate(_CONTROL), markup=False, soft_wrap=True)


def rows(setup: Setup) -> list[tuple[str, str, str]]:
    """(file or folder, state, note) in the order of the files; folders of many files that fare alike are one row."""
    counted = Counter((_folder(file), _state(file)) for file in setup.files if not file.note)
    shown: list[tuple[str, str, str]] = []
    for file in setup.files:
        folder, state = _folder(file), _state(file)
        if file.note or counted[folder, state] == 1 or file.state == "differs":
            shown.append((file.path, state, file.note))
        elif (row := (f"{folder}/", state, f"{counted[folder, state]} files")) not in shown:
            shown.append(row)
    return shown


def lines(setup: Setup) -> list[str]:
    """What stands below the table."""
    told = [f"--- {file.path}\n{file.difference}" for file in setup.files if file.difference and not file.written]
    for guess in setup.guesses:
        word = {"none": "not told by its name"}.get(guess.direction, f"{guess.direction} is better (guessed)")
        told.append(one_line(f"{guess.path}:{guess.key}: {word}{', proposed as primary' if guess.primary else ''}"))
    told += setup.notes
    if setup.check:
        drifted = len(setup.drifted)
        told.append(f"{drifted} of {len(setup.files)} files are not as pawl would have them" if drifted else "no drift")
    elif any(file.written for file in setup.files):
        told.append("Next: read pawl.yaml, commit, and try `pawl run --base HEAD --all`.")
    return told


def _folder(file: PlacedFile) -> str:
    parts = file.path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else file.path


def _state(file: PlacedFile) -> str:
    return "written" if file.written else _WORDS[file.state]
