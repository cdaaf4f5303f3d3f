"""Manifests that tests write, as people and stages do."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pawl.compare.data.differences import manifest_difference
from pawl.schema import DataDifference, Finding

COLUMNS = ("id", "split", "label", "digest")


def write_manifest(path: Path, rows: Sequence[Sequence[Any]], columns: Sequence[str] = COLUMNS) -> Path:
    """A manifest with these columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def differ(
    folder: Path,
    base: Sequence[Sequence[Any]] | None,
    head: Sequence[Sequence[Any]] | None,
    columns: Sequence[str] = COLUMNS,
    notes: list[str] | None = None,
) -> DataDifference | None:
    """The difference of two manifests with these rows."""
    sides = [
        write_manifest(folder / f"{side}.csv", rows, columns) if rows is not None else None
        for side, rows in (("base", base), ("head", head))
    ]
    return manifest_difference("pets", "data/manifest.csv", *sides, (notes if notes is not None else []).append)


def finding(difference: DataDifference | None, kind: str, side: str) -> Finding | None:
    """The finding of one kind, if there is one."""
    assert difference is not None
    return next((each for each in difference.findings if (each.kind, each.side) == (kind, side)), None)
