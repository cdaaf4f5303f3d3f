"""prepare: types of the columns, unusable rows set aside, splits in which no row has its double elsewhere."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from tasks.common.data.csv_table import Rejected, Row, Table, numeric_share, parse_number, read_csv
from tasks.common.data.manifest import Example, content_digest, count_by, label_order, split_examples, write_manifest
from tasks.common.data.splits import SPLITS, SplitParams
from tasks.common.stage.errors import TaskError, nearest
from tasks.common.stage.files import new_folder, read_json, write_json
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

MAX_CLASSES = 50


class Params(SplitParams):
    """`tabular.prepare`."""

    ignore_columns: list[str]
    missing_values: list[str]
    numeric_share: Annotated[float, Field(gt=0.5, le=1)]
    max_rejected_share: Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Column:
    """One input column: where it is in the table, and whether its cells are numbers."""

    name: str
    index: int
    is_numeric: bool


def run(paths: TaskPaths, params: Params) -> None:
    """Write table.parquet, manifest.csv with a row for each of its rows, columns.json and data_report.json.

    Raises TaskError where the table has no such target, too few classes or too many unusable rows.
    """
    where = str(paths.raw / "table.csv")
    target = str(read_json(paths.raw / "source.json", "fetch")["target"])
    table = read_csv(paths.raw / "table.csv", params.missing_values)
    if not table.rows and not table.rejected:
        raise TaskError(f"{where} has a header but no rows; add some.")
    for name in (target, *params.ignore_columns):
        if name not in table.columns:
            raise TaskError(
                f'{where} has no column "{name}", which {PARAMS_FILE} names; {nearest(name, table.columns)}'
            )
    columns, empty = _choose_columns(table, target, params)
    if not columns:
        raise TaskError(f'{where} has no column with values beside "{target}"; add one, or ignore fewer columns.')
    kept, rejected = _usable_rows(table, columns, table.columns.index(target))
    _check_share(rejected, len(kept), params.max_rejected_share, where)

    values = [[_value(row, column) for column in columns] for row in kept]
    labels = [str(row.cells[table.columns.index(target)]) for row in kept]
    if len(set(labels)) > MAX_CLASSES:
        raise TaskError(
            f'{where}: the target "{target}" has {len(set(labels))} different values, more than {MAX_CLASSES} classes; '
            "name a column of classes as the target."
        )
    digests = [content_digest(*(json.dumps(value).encode() for value in row)) for row in values]
    examples = split_examples(labels, digests, [f"line {row.line}" for row in kept], params)
    per_split = count_by((example.split for example in examples), SPLITS)
    with new_folder(paths.prepared) as folder:
        write_manifest(folder, examples, where)
        _write_table(folder / "table.parquet", columns, values)
        kinds = {kind: [c.name for c in columns if c.is_numeric == (kind == "numeric")] for kind in ("numeric", "text")}
        write_json(folder / "columns.json", kinds)
        write_json(folder / "data_report.json", _report(examples, columns, empty, values, rejected))
    aside = f", {len(rejected)} rows set aside" if rejected else ""
    say(f"prepare {paths.task}: {', '.join(f'{count} {split}' for split, count in per_split.items())}{aside}")


def _choose_columns(table: Table, target: str, params: Params) -> tuple[list[Column], list[str]]:
    columns, empty = [], []
    for index, name in enumerate(table.columns):
        if name == target or name in params.ignore_columns:
            continue
        cells = [row.cells[index] for row in table.rows]
        if all(cell is None for cell in cells):
            empty.append(name)
        else:
            columns.append(Column(name, index, numeric_share(cells) >= params.numeric_share))
    return columns, empty


def _usable_rows(table: Table, columns: Sequence[Column], target: int) -> tuple[list[Row], list[Rejected]]:
    kept, rejected = [], list(table.rejected)
    for row in table.rows:
        reason = None if row.cells[target] is not None else "the target is missing"
        for column in columns:
            cell = row.cells[column.index]
            if reason is None and column.is_numeric and cell is not None and parse_number(cell) is None:
                reason = f'"{cell[:40]}" in column "{column.name}" is not a finite number'
        if reason is None:
            kept.append(row)
        else:
            rejected.append(Rejected(row.line, reason))
    return kept, sorted(rejected, key=lambda r: r.line)


def _check_share(rejected: Sequence[Rejected], n_kept: int, max_share: float, where: str) -> None:
    share = len(rejected) / (len(rejected) + n_kept)
    if share > max_share:
        first = rejected[0]
        raise TaskError(
            f"{where}: {len(rejected)} of {len(rejected) + n_kept} rows cannot be used, the first at line {first.line} "
            f"({first.reason}); correct them, or raise max_rejected_share in {PARAMS_FILE}."
        )


def _value(row: Row, column: Column) -> float | str | None:
    cell = row.cells[column.index]
    return parse_number(cell) if cell is not None and column.is_numeric else cell


def _write_table(path: Any, columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        column.name: pa.array([row[number] for row in values], pa.float64() if column.is_numeric else pa.string())
        for number, column in enumerate(columns)
    }
    pq.write_table(pa.table(arrays), path)


def _report(
    examples: Sequence[Example],
    columns: Sequence[Column],
    empty: Sequence[str],
    values: Sequence[Sequence[Any]],
    rejected: Sequence[Rejected],
) -> dict[str, Any]:
    labels_of: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        labels_of[example.digest].add(example.label)
    labels = [example.label for example in examples]
    return {
        "examples": len(examples),
        "repeated": len(examples) - len(labels_of),
        "repeated_with_other_target": sum(len(labels) > 1 for labels in labels_of.values()),
        "per_split": count_by((example.split for example in examples), SPLITS),
        "per_class": count_by(labels, label_order(labels)),
        "columns": {
            column.name: {
                "kind": "numeric" if column.is_numeric else "text",
                "missing": sum(row[number] is None for row in values),
            }
            for number, column in enumerate(columns)
        },
        "columns_without_values": list(empty),
        "set_aside": [{"source": f"line {r.line}", "reason": r.reason} for r in rejected],
    }
