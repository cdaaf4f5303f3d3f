"""Reading a manifest: a CSV file with one row an example, that anybody may have written."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.compare.data.columns import Examples, fit

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES = 500_000_000
MAX_ROWS = 5_000_000
_MAX_HEADER_BYTES = 100_000
_MAX_COLUMNS = 10_000
_MAX_NUMERIC_COLUMNS = 40
_BLOCK_BYTES = 1 << 24

# What people call the columns, the usual name first.
_NAMES = {
    "ids": ("id", "path", "file", "filename", "image", "name"),
    "splits": ("split", "subset", "partition", "fold"),
    "labels": ("label", "labels", "class", "target"),
    "digests": ("digest", "sha256", "md5", "hash", "checksum"),
}
_NOT_MEASURED = {"group", "source", "index", "line", "row"}

Note = Callable[[str], None]


def read_manifest(file: Path, shown: str, note: Note) -> Examples | None:
    """The examples that a manifest lists; None, and a note that calls the file `shown`, where it cannot be read.

    Bounded to 500 MB and 5,000,000 rows. Rows with another number of cells, and those that repeat an id, are left out
    and noted. Columns that are neither id, split, label, digest, group nor source are read where they hold numbers.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    try:
        problem, header, quoted = _look_at(file)
        if problem:
            note(f"{shown} {problem}, so its data are not compared.")
            return None
        roles = {role: next((name for name in names if name in header), None) for role, names in _NAMES.items()}
        numeric = _perhaps_numeric(header, [name for name in roles.values() if name])
        uneven: list[int] = []

        def skip(row: Any) -> str:
            uneven.append(1)
            return "skip"

        table = arrow_csv.read_csv(
            file,
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=quoted, invalid_row_handler=skip),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[*(name for name in roles.values() if name), *numeric],
                column_types={name: pa.string() for name in roles.values() if name},
            ),
        )
    except OSError as error:
        note(f"{shown} cannot be read ({error.strerror or type(error).__name__}), so its data are not compared.")
        return None
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        note(f"{shown} is not a CSV file in UTF-8 ({_reason(error)}), so its data are not compared.")
        return None
    if uneven:
        note(f"{shown} has {len(uneven)} rows with another number of cells than the header; they are left out.")
    return _examples(table, roles, numeric, shown, note)


def _look_at(file: Path) -> tuple[str, list[str], bool]:
    """What keeps the file from being read as a manifest, as a clause; the names in its first row; any quotation marks.

    Without quotation marks no cell can hold a line break, and the file is read several times as quickly.
    """
    if not file.is_file():
        return "is not there", [], False
    if file.stat().st_size > MAX_BYTES:
        return f"is larger than {MAX_BYTES // 1_000_000} MB", [], False
    # Decoded here, because arrow cannot hand on a row that has to be left out and is no text.
    decoder = codecs.getincrementaldecoder("utf-8")()
    rows, quoted, first = 0, False, b""
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            first = first or block[:_MAX_HEADER_BYTES]
            rows += block.count(b"\n")
            quoted = quoted or b'"' in block
            decoder.decode(block)
    decoder.decode(b"", final=True)
    if rows > MAX_ROWS:
        return f"has more than {MAX_ROWS:,} rows", [], quoted
    header = next(csv.reader(io.StringIO(first.decode("utf-8-sig", "replace"), newline="")), [])
    return _problem_of_header(header), header, quoted


def _problem_of_header(header: Sequence[str]) -> str:
    if len(header) > _MAX_COLUMNS:
        return f"has more than {_MAX_COLUMNS:,} columns"
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        return f'has two columns called "{fit(twice)}"'
    if not set(_NAMES["ids"]) & set(header):
        return 'has no column "id" in its first line'
    return ""


def _perhaps_numeric(header: Sequence[str], known: Sequence[str]) -> list[str]:
    """The columns that may hold a property of the examples; a number that only names something is none."""
    other = [name for name in header if name and name not in known and name.lower() not in _NOT_MEASURED]
    return [name for name in other if not name.lower().endswith("id")][:_MAX_NUMERIC_COLUMNS]


def _examples(
    table: Any, roles: dict[str, str | None], numeric: Sequence[str], shown: str, note: Note
) -> Examples | None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = _texts(table, roles["ids"])
    numbers = np.asarray(ids.dictionary_encode().indices.to_numpy(zero_copy_only=False))
    _, first = np.unique(numbers, return_index=True)
    if len(first) < len(ids):
        note(f"{shown} names {len(ids) - len(first)} examples by an id that another one has; they are left out.")
        rows = pa.array(np.sort(first))
        table, ids = table.take(rows), ids.take(rows)
    digests = _texts(table, roles["digests"])
    if digests is not None:
        digests = pc.if_else(pc.equal(digests, ""), None, digests)
    measured = {name: _numbers(table.column(name)) for name in numeric if _is_number(table.column(name).type)}
    return Examples(
        ids,
        _texts(table, roles["splits"]),
        _texts(table, roles["labels"]),
        digests,
        {name: values for name, values in measured.items() if np.isfinite(values).any()},
    )


def _texts(table: Any, column: str | None) -> Any:
    return None if column is None else table.column(column).combine_chunks()


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _numbers(column: Any) -> np.ndarray:
    import numpy as np
    import pyarrow as pa

    values = np.array(column.cast(pa.float64()).to_numpy(), np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"a byte is 0x{error.object[error.start]:02x}"
    return fit(" ".join(str(error).split())).rstrip(".:")
