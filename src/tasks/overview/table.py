"""The rows of an overview as Markdown, CSV, JSON or a table for a terminal."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.overview.rows import Row, Scalar

_FIXED = ("commit", "names", "date", "subject", "task")
_LONGEST_CELL = 40


@dataclass(frozen=True)
class Overview:
    """Rows with the parameters and metrics to show of them."""

    rows: tuple[Row, ...]
    params: tuple[str, ...]
    metrics: tuple[str, ...]


def make_overview(rows: Sequence[Row], *, all_params: bool) -> Overview:
    """The rows by task; of the parameters those that are not the same in all rows of a task, or `all_params`.

    Parameters and metrics are in the order in which they are first met.
    """
    tasks = list(dict.fromkeys(row.task for row in rows))
    ordered = tuple(row for task in tasks for row in rows if row.task == task)
    params: dict[str, None] = {}
    for task in tasks:
        of_task = [row for row in ordered if row.task == task and row.params]
        for name in dict.fromkeys(name for row in of_task for name in row.params):
            if all_params or len({_identity(row.params, name) for row in of_task}) > 1:
                params[name] = None
    metrics = dict.fromkeys(name for row in ordered for name in row.metrics)
    return Overview(ordered, tuple(params), tuple(metrics))


def to_json(overview: Overview) -> str:
    """A list with an object for each row; values as they are, and only what the row has."""
    content = [
        {
            "commit": row.commit.sha or None,
            "names": list(row.commit.names),
            "date": row.commit.date or None,
            "subject": row.commit.subject,
            "task": row.task,
            "params": {name: row.params[name] for name in overview.params if name in row.params},
            "metrics": dict(row.metrics),
            "state": row.state or None,
        }
        for row in overview.rows
    ]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def to_csv(overview: Overview) -> str:
    """A header and a line for each row, numbers in full."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*_FIXED, *overview.params, *overview.metrics, "state"])
    for row in overview.rows:
        params = [_plain(_text(row.params.get(name), name in row.params)) for name in overview.params]
        metrics = [repr(row.metrics[name]) if name in row.metrics else "" for name in overview.metrics]
        writer.writerow([*_fixed(row, row.commit.sha), *params, *metrics, row.state])
    return stream.getvalue()


def to_markdown(overview: Overview) -> str:
    """A table for a pull request or a notebook; nothing in a cell can end the cell or be markup."""
    header = [*_FIXED, *overview.params, *overview.metrics, "state"]
    rules = [*("---" for _ in (*_FIXED, *overview.params)), *("---:" for _ in overview.metrics), "---"]
    lines = [header, *(_short_cells(overview, row) for row in overview.rows)]
    texts = [[_escape(cell) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in [texts[0], rules, *texts[1:]])


def to_rich(overview: Overview) -> Any:
    """A table for a terminal, with a line between tasks and without columns in which nothing stands."""
    from rich.table import Table
    from rich.text import Text

    header = [*_FIXED, *overview.params, *overview.metrics, "state"]
    lines = [_short_cells(overview, row) for row in overview.rows]
    shown = [number for number in range(len(header)) if any(line[number] for line in lines)]
    table = Table(header_style="bold")
    for number in shown:
        is_metric = len(_FIXED) + len(overview.params) <= number < len(header) - 1
        table.add_column(Text(_plain(header[number])), justify="right" if is_metric else "left", overflow="fold")
    for number, line in enumerate(lines):
        following = overview.rows[number + 1 : number + 2]
        table.add_row(
            *(Text(line[column]) for column in shown),
            end_section=bool(following) and following[0].task != overview.rows[number].task,
        )
    return table


def _identity(params: Mapping[str, Scalar], name: str) -> tuple[str, Scalar]:
    # True and 1 are equal in Python, and a missing key is no null.
    return (type(params[name]).__name__ if name in params else "missing", params.get(name))


def _fixed(row: Row, commit: str) -> list[str]:
    return [
        _plain(text) for text in (commit, ", ".join(row.commit.names), row.commit.date, row.commit.subject, row.task)
    ]


def _short_cells(overview: Overview, row: Row) -> list[str]:
    fixed = [_cut(cell) for cell in _fixed(row, row.commit.sha[:7])]
    params = [_cut(_plain(_text(row.params.get(name), name in row.params))) for name in overview.params]
    metrics = [_number(row.metrics[name]) if name in row.metrics else "" for name in overview.metrics]
    return [*fixed, *params, *metrics, row.state]


def _text(value: Scalar, is_there: bool) -> str:
    if not is_there:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4f}" if abs(value) >= 0.001 else f"{value:.3g}"


def _plain(text: str) -> str:
    """Without characters that a terminal would obey, or that turn the direction of writing."""
    return "".join(" " if char in "\t\n\r" else char for char in text if _is_shown(char))


def _is_shown(char: str) -> bool:
    return char in "\t\n\r" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _escape(text: str) -> str:
    return "".join(f"&#{ord(char)};" if char in "\\`*{}[]<>()#|!~&@:$" else char for char in _plain(text))
