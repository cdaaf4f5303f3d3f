"""Which columns a table has to offer, and the values of its rows in them: the same for training and for inference."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tasks.common.data.csv_table import Row, Table, numeric_share, parse_number

MAX_SHOWN = 40


@dataclass(frozen=True)
class Column:
    """One input column: where it is in the table, and whether its cells are numbers."""

    name: str
    index: int
    is_numeric: bool


def choose_columns(table: Table, left_out: Collection[str], min_numeric_share: float) -> tuple[list[Column], list[str]]:
    """The columns with values, and the names of those without any; those in `left_out` are in neither."""
    columns, empty = [], []
    for index, name in enumerate(table.columns):
        if name in left_out:
            continue
        cells = [row.cells[index] for row in table.rows]
        if all(cell is None for cell in cells):
            empty.append(name)
        else:
            columns.append(Column(name, index, numeric_share(cells) >= min_numeric_share))
    return columns, empty


def why_unusable(row: Row, columns: Sequence[Column]) -> str | None:
    """The first cell that is not what its column holds, in words, or None."""
    for column in columns:
        cell = row.cells[column.index]
        if column.is_numeric and cell is not None and parse_number(cell) is None:
            return f'"{cell[:MAX_SHOWN]}" in column "{column.name}" is not a finite number'
    return None


def row_values(row: Row, columns: Sequence[Column]) -> list[float | str | None]:
    """The values of a usable row in the columns, None where one is missing."""
    values: list[float | str | None] = []
    for column in columns:
        cell = row.cells[column.index]
        values.append(parse_number(cell) if cell is not None and column.is_numeric else cell)
    return values
