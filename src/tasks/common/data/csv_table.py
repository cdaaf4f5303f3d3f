"""Reading a CSV file that anybody may have written: unusable rows are set aside with their line and reason."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.common.stage.errors import TaskError

# Python's float() would also take "nan", "infinity", "1_000" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Row:
    """One usable row: `cells` in the order of the columns, None where the value is missing."""

    line: int
    cells: tuple[str | None, ...]


@dataclass(frozen=True)
class Rejected:
    """One row that was set aside."""

    line: int
    reason: str


@dataclass(frozen=True)
class Table:
    """What a CSV file holds."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    rejected: tuple[Rejected, ...]


def read_csv(path: Path, missing: Collection[str]) -> Table:
    """The table in `path`: UTF-8, commas, a header. Cells in `missing`, whatever their case, count as missing.

    Rows with another number of cells than the header are rejected. Raises TaskError for a file that is no such table.
    """
    missing_folded = {word.casefold() for word in missing}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = tuple(name.strip() for name in next(reader, []))
            _check_columns(columns, path)
            rows, rejected = [], []
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(columns):
                    rejected.append(Rejected(reader.line_num, f"has {len(cells)} cells instead of {len(columns)}"))
                    continue
                stripped = (cell.strip() for cell in cells)
                values = tuple(None if cell.casefold() in missing_folded else cell for cell in stripped)
                rows.append(Row(reader.line_num, values))
    except FileNotFoundError:
        raise TaskError(f"{path} does not exist; run the stage fetch first.") from None
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except csv.Error as error:
        raise TaskError(f"{path}, line {reader.line_num}: {error}; correct the line.") from None
    return Table(columns, tuple(rows), tuple(rejected))


def parse_number(cell: str) -> float | None:
    """The number that the cell is, or None: plain decimal notation only, and finite.

    >>> parse_number("-1.5e3"), parse_number("nan"), parse_number("1e999")
    (-1500.0, None, None)
    """
    if not _NUMBER.fullmatch(cell):
        return None
    value = float(cell)
    return value if math.isfinite(value) else None


def numeric_share(cells: Sequence[str | None]) -> float:
    """The share of the cells present that are numbers, 0 where none is present."""
    present = [cell for cell in cells if cell is not None]
    return sum(parse_number(cell) is not None for cell in present) / len(present) if present else 0.0


def _check_columns(columns: tuple[str, ...], path: Path) -> None:
    if len(columns) < 2:
        raise TaskError(f"{path} has {len(columns)} columns; its first line must be a header separated by commas.")
    for number, name in enumerate(columns, 1):
        if not name:
            raise TaskError(f"{path}: column {number} has no name in the first line; name it.")
        if name in columns[: number - 1]:
            raise TaskError(f'{path}: two columns are called "{name}"; rename one.')
