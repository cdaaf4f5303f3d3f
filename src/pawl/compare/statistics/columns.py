"""Columns of a parquet file that somebody else wrote: looked at before they are read, and checked before they are used.

Texts are read as dictionaries, so that a long text that is said once and repeated a million times takes its own length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import InputError

if TYPE_CHECKING:
    import numpy as np

MAX_FILE_BYTES = 4_000_000_000
MAX_ROWS = 10_000_000
MAX_COLUMNS = 5_000
MAX_CHUNKS = 1_000_000
MAX_COLUMN_BYTES = 1_000_000_000
MAX_TEXT_CHARACTERS = 1_000


@dataclass(frozen=True)
class Table:
    """A parquet file of which only the description was read."""

    path: Path
    shown: str
    """What errors call it."""
    rows: int
    types: dict[str, Any]
    """Arrow type of each column."""
    file: Any
    """The open pyarrow.parquet.ParquetFile."""
    sizes: dict[str, int]
    """Bytes of each column once it is unpacked."""

    def named(self, prefix: str) -> dict[str, str]:
        """The columns `<prefix><rest>`, by their rest, in the order of the file."""
        return {name[len(prefix) :]: name for name in self.types if name.startswith(prefix) and name != prefix}


def open_table(path: Path, shown: str) -> Table:
    """The table in a parquet file. Raises InputError where it is none, or larger than can be compared."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{shown} is larger than {MAX_FILE_BYTES // 10**9} GB: leave out what is not compared.")
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if _is_text(field.type)]
        file = pq.ParquetFile(path, read_dictionary=texts)
        rows = file.metadata.num_rows
    except FileNotFoundError:
        raise InputError(f"{shown} does not exist: name a file of predictions.") from None
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(
            f"{shown} is not a parquet file that can be read ({_first_line(error)}): write it anew."
        ) from None
    if rows > MAX_ROWS:
        raise InputError(f"{shown} has {rows:,} rows, more than {MAX_ROWS:,}: write fewer test examples.")
    if not rows:
        raise InputError(f"{shown} has no rows: write one for each test example.")
    if len(schema.names) > MAX_COLUMNS:
        raise InputError(f"{shown} has {len(schema.names):,} columns, more than {MAX_COLUMNS:,}: write fewer.")
    for name, count in Counter(schema.names).items():
        if count > 1:
            raise InputError(f'{shown} has the column "{name[:100]}" twice: write it once.')
    types = {field.name: field.type for field in file.schema_arrow}
    return Table(path, shown, rows, types, file, _sizes(file.metadata, types, shown))


def _sizes(metadata: Any, types: Collection[str], shown: str) -> dict[str, int]:
    """Bytes of each column once it is unpacked, as the file says; a column of lists has several parts."""
    if metadata.num_row_groups * metadata.num_columns > MAX_CHUNKS:
        raise InputError(f"{shown} has {metadata.num_row_groups:,} row groups: write fewer and larger ones.")
    sizes = dict.fromkeys(types, 0)
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(metadata.num_columns):
            chunk = row_group.column(number)
            place = chunk.path_in_schema
            name = place if place in sizes else place.partition(".")[0]
            sizes[name] = sizes.get(name, 0) + chunk.total_uncompressed_size
    return sizes


def is_text(table: Table, column: str) -> bool:
    """Whether a column holds texts."""
    return _is_text(table.types[column])


def is_number(table: Table, column: str) -> bool:
    """Whether a column holds numbers."""
    import pyarrow.types as kinds

    kind = table.types[column]
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind))


def is_whole(table: Table, column: str) -> bool:
    """Whether a column holds whole numbers, or yes and no."""
    import pyarrow.types as kinds

    return bool(kinds.is_integer(table.types[column]) or kinds.is_boolean(table.types[column]))


def read_codes(table: Table, column: str, *, empty: str | None = None) -> tuple[np.ndarray, list[str]]:
    """A column of texts, whole numbers or booleans as (N,) int64 places in a list of different texts.

    `empty` stands for what is null. Raises InputError for nulls without it, other types, and too long texts.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (is_text(table, column) or is_number(table, column) or is_whole(table, column)):
        raise InputError(
            f'{table.shown}: the column "{column}" holds {table.types[column]}, not texts: write it as texts.'
        )
    array = _read(table, column)
    if array.null_count:
        if empty is None:
            raise InputError(f"{table.shown}: {_where(pc.is_null(array), column)} is empty: fill it in.")
        array = array.cast(pa.string()).fill_null(empty)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    array = array.unify_dictionaries().combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    values = array.dictionary
    if _is_text(values.type):
        # 4 bytes hold any character.
        if len(values) and pc.max(pc.binary_length(values)).as_py() > 4 * MAX_TEXT_CHARACTERS:
            raise InputError(
                f'{table.shown}: the column "{column}" has a text of more than {MAX_TEXT_CHARACTERS:,} characters: '
                "shorten it."
            )
        texts = values.to_pylist()
    else:
        texts = [_whole_text(table, column, value) for value in values.to_pylist()]
    return as_numpy(array.indices).astype("int64"), texts


def read_texts(table: Table, column: str, *, empty: str | None = None) -> np.ndarray:
    """The same as (N,) texts, dtype object."""
    import numpy as np

    codes, texts = read_codes(table, column, empty=empty)
    return np.array(texts, dtype=object)[codes]


def read_numbers(table: Table, column: str) -> np.ndarray:
    """A column of numbers as (N,) float64. Raises InputError for other types, nulls, NaN and infinite numbers."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not is_number(table, column):
        raise InputError(
            f'{table.shown}: the column "{column}" holds {table.types[column]}, not numbers: write it as numbers.'
        )
    array = _read(table, column)
    if array.null_count:
        raise InputError(f"{table.shown}: {_where(pc.is_null(array), column)} is empty: fill it in.")
    numbers = as_numpy(array.cast(pa.float64(), safe=False).combine_chunks())
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise InputError(
            f'{table.shown}: row {row + 1} of the column "{column}" is {numbers[row]}: write finite numbers only.'
        )
    return numbers


def as_numpy(array: Any) -> np.ndarray:
    """An Arrow array of numbers without nulls, read-only and not copied.

    Arrow's own way imports pandas wherever that is installed, which takes longer than reading most files.
    """
    import numpy as np

    return np.from_dlpack(array)


def _read(table: Table, column: str) -> Any:
    import pyarrow as pa

    if table.sizes[column] > MAX_COLUMN_BYTES:
        raise InputError(
            f'{table.shown}: the column "{column}" is larger than {MAX_COLUMN_BYTES // 10**9} GB: write less into it.'
        )
    try:
        array = table.file.read(columns=[column]).column(0)
        array.validate(full=True)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(
            f'{table.shown}: the column "{column}" cannot be read ({_first_line(error)}): write the file anew.'
        ) from None
    if len(array) != table.rows:
        raise InputError(f'{table.shown}: the column "{column}" is not as long as the table: write the file anew.')
    return array


def _whole_text(table: Table, column: str, value: Any) -> str:
    if isinstance(value, float) and not value.is_integer():
        raise InputError(f'{table.shown}: the column "{column}" has {value}, which is no label: write texts.')
    return str(int(value)) if isinstance(value, float) else str(value)


def _where(mask: Any, column: str) -> str:
    import pyarrow.compute as pc

    return f'row {pc.index(mask, True).as_py() + 1} of the column "{column}"'


def _is_text(kind: Any) -> bool:
    import pyarrow.types as kinds

    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".:")
