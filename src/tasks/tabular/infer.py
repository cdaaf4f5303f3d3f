"""infer: probabilities for each row of a CSV file with the columns that the model was trained on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.common.data.csv_table import Row, Table, read_csv
from tasks.common.inference.result import Answer, Endpoint, Inferred
from tasks.common.model.card import Card, read_card
from tasks.common.stage.errors import TaskError, nearest
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.model.pipeline import score
from tasks.tabular.model.table import make_table
from tasks.tabular.prepare.columns import Column, row_values, why_unusable

ENDPOINT = Endpoint()


def load(paths: TaskPaths) -> Answer:
    """A function from CSV files to the answer for each row, in order, named by its line, or why there is none.

    Other columns than the model's, the target among them, are not looked at. Raises TaskError where there is no model.
    """
    card = read_card(paths.model, paths.task)

    def answer(files: Sequence[Path], out: Path) -> list[Inferred]:
        answers: list[Inferred] = []
        for file in files:
            if not file.is_file():
                answers.append(_problem(str(file), "does not exist"))
                continue
            try:
                table = read_csv(file, card.preprocessing["missing_values"])
                columns = _find_columns(card, str(file), table)
                found = _answer(paths, card, functools.partial("{}, line {}".format, file), table, columns)
                answers += found or [_problem(str(file), "has a header but no rows")]
            except (TaskError, OSError) as error:
                answers.append(_problem(str(file), _reason(error, file)))
        return answers

    return answer


def load_rows(paths: TaskPaths) -> Callable[[Table], list[Inferred]]:
    """A function from a table to the answer for each of its rows. Raises TaskError where there is no usable model.

    The function raises TaskError for a table without a column that the model needs.
    """
    card = read_card(paths.model, paths.task)
    words = {word.casefold() for word in card.preprocessing["missing_values"]}

    def answer(table: Table) -> list[Inferred]:
        # What counts as missing in a file does so in a row from elsewhere.
        rows = tuple(
            Row(row.line, tuple(None if c is None or c.strip().casefold() in words else c.strip() for c in row.cells))
            for row in table.rows
        )
        table = Table(table.columns, rows, table.rejected)
        return _answer(paths, card, "row {}".format, table, _find_columns(card, "the input", table))

    return answer


def _find_columns(card: Card, where: str, table: Table) -> list[Column]:
    columns = []
    for name in card.preprocessing["columns"]:
        if name not in table.columns:
            raise TaskError(f'{where} has no column "{name}", which the model needs; {nearest(name, table.columns)}')
        columns.append(Column(name, table.columns.index(name), name in card.preprocessing["numeric"]))
    return columns


def _answer(
    paths: TaskPaths, card: Card, name: Callable[[int], str], table: Table, columns: Sequence[Column]
) -> list[Inferred]:
    by_line = {row.line: _problem(name(row.line), row.reason) for row in table.rejected}
    usable = []
    for row in table.rows:
        reason = why_unusable(row, columns)
        if reason is None:
            usable.append(row)
        else:
            by_line[row.line] = _problem(name(row.line), reason)
    if usable:
        values = [row_values(row, columns) for row in usable]
        names = [column.name for column in columns]
        scores = score(paths.model, card, make_table(values, names, card.preprocessing["numeric"]))
        for row, chances in zip(usable, scores.tolist(), strict=True):
            labels = dict(zip(card.labels, chances, strict=True))
            predicted = card.labels[max(range(len(chances)), key=chances.__getitem__)]
            by_line[row.line] = Inferred(name(row.line), labels, (predicted,))
    return [by_line[line] for line in sorted(by_line)]


def _problem(source: str, reason: str) -> Inferred:
    return Inferred(source, {}, (), problem=reason)


def _reason(error: TaskError | OSError, file: Path) -> str:
    """What is wrong with the file, whose name stands before it already."""
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return str(error).removeprefix(str(file)).lstrip(" ,:").rstrip(".")
