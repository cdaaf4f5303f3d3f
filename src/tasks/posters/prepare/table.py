"""Reading train.csv: which poster has which genres, where the list and the columns say the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.common.data.csv_table import Row, read_csv
from tasks.common.data.label_sets import SEPARATOR
from tasks.common.data.report import SetAside
from tasks.common.stage.errors import TaskError

TABLE_FILE = "train.csv"
IMAGES_FOLDER = "Images"

_ID, _GENRE = "Id", "Genre"
# Anything else could lead out of the folder of images.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
# A list as Python prints it. Read by hand, since the text may be anybody's.
_LIST = re.compile(r"\[(?:'[^'\\]{1,60}'(?:, ?'[^'\\]{1,60}')*)?\]")
_QUOTED = re.compile(r"'([^']*)'")


@dataclass(frozen=True)
class Listed:
    """One usable row of the table."""

    line: int
    id: str
    genres: tuple[str, ...]
    """In the order of the columns, at least one."""

    @property
    def image(self) -> str:
        """Its file, relative to the folder of raw data."""
        return f"{IMAGES_FOLDER}/{self.id}.jpg"


def read_table(path: Path, ignore_genres: Collection[str]) -> tuple[list[Listed], list[SetAside]]:
    """The usable rows of the table at `path`, one an id, and the others with their reasons.

    ignore_genres: columns that stand for no genre. Raises TaskError for a file that is no such table.
    """
    table = read_csv(path, ())
    for number, name in enumerate((_ID, _GENRE)):
        if table.columns[number : number + 1] != (name,):
            raise TaskError(f'{path}: column {number + 1} must be called "{name}"; write the header Id,Genre,<genres>.')
    columns = table.columns[2:]
    for name in columns:
        if SEPARATOR in name:
            raise TaskError(f'{path}: the column "{name}" has a {SEPARATOR} in its name; rename the genre.')
    if not columns:
        raise TaskError(f"{path} has no column after Id and Genre; add one of 0 and 1 for each genre.")
    for name in ignore_genres:
        if name not in columns:
            raise TaskError(f'{path} has no column "{name}", which ignore_genres in params.yaml names; take it out.')

    set_aside = [(row.line, row.reason) for row in table.rejected]
    first: dict[str, Listed] = {}
    for row in table.rows:
        found = _read_row(row, columns, ignore_genres)
        if isinstance(found, str):
            set_aside.append((row.line, found))
        elif found.id in first:
            before = first[found.id]
            difference = "" if before.genres == found.genres else " with other genres"
            set_aside.append((row.line, f"has the id of line {before.line}{difference}"))
        else:
            first[found.id] = found
    return list(first.values()), [SetAside(f"{path.name} line {line}", reason) for line, reason in sorted(set_aside)]


def _read_row(row: Row, columns: Sequence[str], ignore_genres: Collection[str]) -> Listed | str:
    """The row, or why it cannot be used."""
    cells = [cell or "" for cell in row.cells]
    if not _NAME.fullmatch(cells[0]):
        return f"its Id {cells[0][:40]!a} is not 1 to 64 letters, digits, - or _"
    if not _LIST.fullmatch(cells[1]):
        return f"its Genre {cells[1][:40]!a} is no list such as ['Comedy', 'Drama']"
    listed = set(_QUOTED.findall(cells[1]))
    for name in sorted(listed):
        if name not in columns:
            return f"its Genre names {name!a}, which has no column"
    for name, cell in zip(columns, cells[2:], strict=True):
        if cell not in ("0", "1"):
            return f"its column {name!a} is {cell[:40]!a}, neither 0 nor 1"
        if (cell == "1") != (name in listed):
            return f"its Genre and its column {name!a} disagree"
    genres = tuple(name for name in columns if name in listed and name not in ignore_genres)
    return Listed(row.line, cells[0], genres) if genres else "has no genre"
