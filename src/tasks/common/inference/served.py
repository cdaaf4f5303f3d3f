"""A loaded model as a service: a table of inputs in, a table of answers out, for every task."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.data.csv_table import Row, Table
from tasks.common.data.label_sets import join_labels
from tasks.common.inference.result import Endpoint, Inferred
from tasks.common.model.card import read_card
from tasks.common.stage.paths import TaskPaths

if TYPE_CHECKING:
    import pandas as pd

# Files arrive without a name, and some readers go by its ending.
_ENDINGS = {b"\x1f\x8b": ".nii.gz", b"ObjectType": ".mha", b"\x93NUMPY": ".npy"}
_HEAD_BYTES = 4096
_SCORE = "score:"


class Served:
    """A task's model, loaded once."""

    def __init__(self, infer: Any, paths: TaskPaths) -> None:
        """`infer` is the task's module of that name. Raises TaskError where there is no usable model at `paths`."""
        self._endpoint: Endpoint = infer.ENDPOINT
        self._labels = read_card(paths.model, paths.task).labels
        # As the task has it: what answers files, or what answers rows.
        self.answer_files = infer.load(paths)
        self._answer_rows = None if self._endpoint.files else infer.load_rows(paths)

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """One row for each row: `prediction`, `problem`, and `score:<label>` for each label, or the written file.

        Several labels are joined by `|`, as in predictions.parquet; what has a problem has nothing else.
        """
        import pandas as pd

        if self._answer_rows is not None:
            rows = [self._as_row(answer) for answer in self._answer_rows(as_table(table))]
        else:
            rows = self._predict_files(list(table[self._endpoint.files]))
        # As objects: pandas would make NaN of what is missing, and MLflow's server no JSON of that.
        columns = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in self.columns()}
        whole = [name for name, cells in columns.items() if name.startswith(_SCORE) and cells.notna().all()]
        return pd.DataFrame(columns).astype(dict.fromkeys(whole, "float64"))

    def columns(self) -> list[str]:
        """The columns of every answer, in order."""
        written = self._endpoint.written
        return ["prediction", "problem", *([written] if written else [f"{_SCORE}{label}" for label in self._labels])]

    def _predict_files(self, cells: Sequence[Any]) -> list[dict[str, Any]]:
        contents = [decode(cell) for cell in cells]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            files = []
            for number, content in enumerate(contents):
                if content is not None:
                    files.append(folder / f"{number}{ending_of(content)}")
                    files[-1].write_bytes(content)
            answers = iter(self.answer_files(files, folder / "written") if files else [])
            return [
                {"problem": "is not a file in base64"} if content is None else self._as_row(next(answers))
                for content in contents
            ]

    def _as_row(self, answer: Inferred) -> dict[str, Any]:
        if answer.problem is not None:
            return {"problem": answer.problem}
        row: dict[str, Any] = {"prediction": join_labels(answer.predicted)}
        if self._endpoint.written and answer.written:
            row[self._endpoint.written] = base64.b64encode(answer.written.read_bytes()).decode()
        return row | {f"{_SCORE}{label}": value for label, value in answer.labels.items()}


def decode(cell: object) -> bytes | None:
    """The bytes that a cell is in base64, or None where it is none."""
    if not isinstance(cell, str) or not cell:
        return None
    try:
        return base64.b64decode(cell, validate=True)
    except (binascii.Error, ValueError):
        return None


def ending_of(content: bytes) -> str:
    """The ending that a file of this content has, by its first bytes; `.file` where nothing goes by it.

    >>> ending_of(b"ObjectType = Image"), ending_of(b"a photograph")
    ('.mha', '.file')
    """
    for begin, ending in _ENDINGS.items():
        if content.startswith(begin):
            return ending
    # The keys of such a header may stand in any order.
    return ".mha" if b"ElementDataFile" in content[:_HEAD_BYTES] else ".file"


def as_table(frame: pd.DataFrame) -> Table:
    """The same as cells of a CSV file, so that rows from anywhere are read as those of a file are."""
    import pandas as pd

    def cell(value: Any) -> str | None:
        if pd.isna(value):
            return None
        # repr has all digits of a number, so that it is the same one when it is read.
        return value if isinstance(value, str) else repr(float(value))

    rows = [
        Row(number, tuple(map(cell, row))) for number, row in enumerate(frame.itertuples(index=False, name=None), 1)
    ]
    return Table(tuple(map(str, frame.columns)), tuple(rows), ())
