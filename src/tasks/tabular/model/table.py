"""The table that the pipeline takes: float64 columns of numbers, object columns of texts, NaN or None where missing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import read_json

if TYPE_CHECKING:
    import pandas as pd

COLUMNS_FILE = "columns.json"


def read_table(folder: Path) -> pd.DataFrame:
    """The prepared table (N, F). Raises TaskError where the stage prepare has not written it."""
    import pandas as pd
    import pyarrow as pa

    kinds = read_json(folder / COLUMNS_FILE, "prepare")
    try:
        table = pd.read_parquet(folder / "table.parquet")
    except (OSError, pa.ArrowInvalid):
        raise TaskError(f"{folder / 'table.parquet'} cannot be read; run the stage prepare again.") from None
    # pandas has its own type for texts, which skops cannot store in an encoder's categories.
    for name in kinds["text"]:
        texts = table[name].astype(object)
        table[name] = texts.where(texts.notna(), None)
    return table


def make_table(values: Sequence[Sequence[Any]], columns: Sequence[str], numeric: Collection[str]) -> pd.DataFrame:
    """The same from rows of values (N lists of F), None where one is missing."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: pd.Series([row[number] for row in values], dtype="float64" if name in numeric else object)
            for number, name in enumerate(columns)
        }
    )


def describe_input(folder: Path, columns: Sequence[str]) -> dict[str, Any]:
    """What a card says of the `columns` that a model takes, so that another file can be read as this one was."""
    kinds = read_json(folder / COLUMNS_FILE, "prepare")
    return {
        "columns": list(columns),
        "numeric": [name for name in columns if name in kinds["numeric"]],
        "missing_values": kinds["missing_values"],
    }
