"""prepare: types of the columns, unusable rows set aside, splits in which no row has its double elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tasks.common.data.csv_table import Row, Table, read_csv
from tasks.common.data.manifest import check_classes, content_digest, split_examples, write_manifest
from tasks.common.data.report import SetAside, check_share, write_report
from tasks.common.data.splits import SplitParams
from tasks.common.stage.errors import TaskError, nearest
from tasks.common.stage.files import new_folder, read_json, write_json
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.prepare.columns import Column, choose_columns, row_values, why_unusable

MAX_CLASSES = 50


class Params(SplitParams):
    """`tabular.prepare`."""

    ignore_columns: list[str]
    missing_values: list[str]
    numeric_share: Annotated[float, Field(gt=0.5, le=1)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write table.parquet, manifest.csv with a row for each of its rows, columns.json and data_report.json.

    Raises TaskError where the table has no such target, too few classes or too many unusable rows.
    """
    where = str(paths.raw / "table.csv")
    target = str(read_json(paths.raw / "source.json", "fetch")["target"])
    table = read_csv(paths.raw / "table.csv", params.missing_values)
    _check_table(table, [target, *params.ignore_columns], where)
    columns, empty = choose_columns(table, {target, *params.ignore_columns}, params.numeric_share)
    if not columns:
        raise TaskError(f'{where} has no column with values beside "{target}"; add one, or ignore fewer columns.')
    target_index = table.columns.index(target)
    kept, set_aside = _usable_rows(table, columns, target_index)
    check_share(set_aside, len(kept), params.max_rejected_share, where)

    values = [row_values(row, columns) for row in kept]
    labels = [str(row.cells[target_index]) for row in kept]
    if len(set(labels)) > MAX_CLASSES:
        raise TaskError(
            f'{where}: the target "{target}" has {len(set(labels))} different values, more than {MAX_CLASSES} classes; '
            "name a column of classes as the target."
        )
    digests = [content_digest(*(json.dumps(value).encode() for value in row)) for row in values]
    examples = split_examples(labels, digests, [f"line {row.line}" for row in kept], params)
    check_classes(examples, where)
    with new_folder(paths.prepared) as folder:
        write_manifest(folder, examples, where)
        _write_table(folder / "table.parquet", columns, values)
        write_json(
            folder / "columns.json",
            {
                "numeric": [column.name for column in columns if column.is_numeric],
                "text": [column.name for column in columns if not column.is_numeric],
                # For inference, which reads files of the same kind.
                "missing_values": params.missing_values,
            },
        )
        facts = {"columns": _facts(columns, values), "columns_without_values": empty}
        write_report(paths, folder, examples, set_aside, extra=facts)


def _check_table(table: Table, named: Sequence[str], where: str) -> None:
    if not table.rows and not table.rejected:
        raise TaskError(f"{where} has a header but no rows; add some.")
    for name in named:
        if name not in table.columns:
            raise TaskError(
                f'{where} has no column "{name}", which {PARAMS_FILE} names; {nearest(name, table.columns)}'
            )


def _usable_rows(table: Table, columns: Sequence[Column], target: int) -> tuple[list[Row], list[SetAside]]:
    kept, rejected = [], [(row.line, row.reason) for row in table.rejected]
    for row in table.rows:
        reason = "the target is missing" if row.cells[target] is None else why_unusable(row, columns)
        if reason is None:
            kept.append(row)
        else:
            rejected.append((row.line, reason))
    return kept, [SetAside(f"line {line}", reason) for line, reason in sorted(rejected)]


def _write_table(path: Path, columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {
        column.name: pa.array([row[number] for row in values], pa.float64() if column.is_numeric else pa.string())
        for number, column in enumerate(columns)
    }
    pq.write_table(pa.table(arrays), path)


def _facts(columns: Sequence[Column], values: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {
        column.name: {
            "kind": "numeric" if column.is_numeric else "text",
            "missing": sum(row[number] is None for row in values),
        }
        for number, column in enumerate(columns)
    }
