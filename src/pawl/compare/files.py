"""Reading what stages wrote: metrics, training curves and confusion matrices, in the formats that DVC knows."""

from __future__ import annotations

import csv
import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pawl.compare.values import Measured
from pawl.errors import InputError
from pawl.pipeline.project import flatten
from pawl.schema import MAX_CURVE_POINTS, MAX_LABELS, Series

_MAX_METRICS_BYTES = 10_000_000
_STEP_COLUMNS = ("step", "epoch", "iteration", "iter", "global_step", "batch")
_ACTUAL_COLUMNS = ("actual", "target", "true", "truth", "label", "y_true", "actual_class")
_PREDICTED_COLUMNS = ("predicted", "prediction", "pred", "y_pred", "predicted_class")
_TABLES = {".csv": ",", ".tsv": "\t"}


def read_metrics(file: Path, shown: str) -> dict[str, Any]:
    """The leaves of a metrics file (JSON, YAML or TOML) as dotted key -> value, whatever their type.

    `shown` names the file in errors. Raises InputError where it cannot be read as what its ending says.
    """
    try:
        if file.stat().st_size > _MAX_METRICS_BYTES:
            raise InputError(
                f"{shown} is larger than 10 MB: metrics files hold single numbers; declare series as plots."
            )
        text = file.read_text(encoding="utf-8")
        if file.suffix in (".yaml", ".yml"):
            import yaml

            data = yaml.safe_load(text)
        elif file.suffix == ".toml":
            data = tomllib.loads(text)
        else:
            data = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{shown} cannot be read as metrics: {_first_line(error)}: correct the stage that writes it."
        ) from None
    except Exception as error:
        if type(error).__module__.startswith("yaml"):
            raise InputError(
                f"{shown} is not valid YAML: {_first_line(error)}: correct the stage that writes it."
            ) from None
        raise
    if isinstance(data, int | float) and not isinstance(data, bool):
        return {file.stem: data}
    if not isinstance(data, dict):
        raise InputError(f"{shown} must hold names and numbers: correct the stage that writes it.")
    return dict(flatten(data))


def measured(value: Any) -> Measured:
    """A leaf of a metrics file, with a word for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Measured(value=None, state="not a number")
    number = float(value)
    if math.isnan(number):
        return Measured(value=None, state="nan")
    return Measured(value=None, state="infinite") if math.isinf(number) else Measured(value=number, state="ok")


def tables_in(path: Path) -> Iterator[Path]:
    """The CSV and TSV files at `path`, a file or a folder, in the order of their names."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix in _TABLES and file.is_file())
    elif path.suffix in _TABLES and path.is_file():
        yield path


def columns_of(file: Path) -> list[str]:
    """The names in a table's first row; none where it cannot be read."""
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            return next(csv.reader(stream, delimiter=_TABLES[file.suffix]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def step_column(columns: list[str], declared: str | None = None) -> str | None:
    """Which column counts the steps of a training, if one does."""
    if declared in columns:
        return declared
    return next((name for name in columns if name.lower() in _STEP_COLUMNS), None)


def read_curves(file: Path, step: str) -> dict[str, Series]:
    """Every numeric column of a history against its step column; at most 500 points each, thinned evenly.

    Rows where a column is empty or not finite are left out of that column's series.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter=_TABLES[file.suffix]):
                at = _number(row.get(step))
                for name, text in row.items():
                    value = _number(text)
                    if name not in (step, "timestamp", None) and at is not None and value is not None:
                        points.setdefault(name, []).append((at, value))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return {name: _thin(series) for name, series in points.items()}


def confusion_columns(columns: list[str]) -> tuple[str, str] | None:
    """The (actual, predicted) columns of a table with one row an example, if it has them."""
    lower = {name.lower(): name for name in columns}
    actual = next((lower[name] for name in _ACTUAL_COLUMNS if name in lower), None)
    predicted = next((lower[name] for name in _PREDICTED_COLUMNS if name in lower), None)
    return (actual, predicted) if actual and predicted else None


def read_confusion(file: Path, actual: str, predicted: str) -> Counter[tuple[str, str]] | None:
    """How many rows have each (actual, predicted) pair; None where there are more classes than can be shown."""
    counts: Counter[tuple[str, str]] = Counter()
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter=_TABLES[file.suffix]):
                counts[str(row.get(actual))[:200], str(row.get(predicted))[:200]] += 1
                if len(counts) > MAX_LABELS**2:
                    return None
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    return counts


def natural(text: str) -> list[tuple[int, int | str]]:
    """A sort key by which `10` comes after `9`."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text) if part]


def _thin(series: list[tuple[float, float]]) -> Series:
    count = len(series)
    if count > MAX_CURVE_POINTS:
        keep = sorted({round(i * (count - 1) / (MAX_CURVE_POINTS - 1)) for i in range(MAX_CURVE_POINTS)})
        series = [series[i] for i in keep]
    return Series(steps=tuple(at for at, _ in series), values=tuple(value for _, value in series))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except (ValueError, TypeError):
        return None
    return value if math.isfinite(value) else None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300].rstrip(".:")
