"""The builtin table: scikit-learn's breast cancer, real, with columns of no use added for the selection to find."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tasks.common.stage.params import StageParams

TARGET = "diagnosis"


class SampleParams(StageParams):
    """What is added to the builtin table."""

    noise_columns: Annotated[int, Field(ge=0, le=10_000)]
    duplicate_columns: Annotated[int, Field(ge=0, le=10_000)]
    seed: Annotated[int, Field(ge=0)]


def sample_source() -> dict[str, Any]:
    """What source.json says of it."""
    return {
        "name": "Breast Cancer Wisconsin (Diagnostic), as scikit-learn carries it, with columns added",
        "address": "https://archive.ics.uci.edu/dataset/17",
        "licence": "CC BY 4.0",
        "synthetic": False,
    }


def write_sample(path: Path, params: SampleParams) -> dict[str, Any]:
    """Write the table as a CSV file; its target column and its size."""
    columns, rows = _breast_cancer(params)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return {"target": TARGET, "rows": len(rows), "columns": len(columns)}


def _breast_cancer(params: SampleParams) -> tuple[list[str], list[list[str]]]:
    import numpy as np
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    rng = np.random.default_rng(params.seed)
    names = [str(name).replace(" ", "_") for name in data.feature_names]
    noise = rng.normal(size=(len(data.data), params.noise_columns))
    copied = rng.integers(len(names), size=params.duplicate_columns)
    values = np.hstack([data.data, noise, data.data[:, copied]])
    columns = [
        *names,
        *(f"noise_{number}" for number in range(1, params.noise_columns + 1)),
        *(f"copy_{number}_of_{names[column]}" for number, column in enumerate(copied, 1)),
    ]
    # In an order of chance, so that nothing can profit from the useful columns coming first.
    order = rng.permutation(len(columns))
    targets = data.target_names[data.target]
    rows = [
        [*(repr(float(row[column])) for column in order), str(target)]
        for row, target in zip(values, targets, strict=True)
    ]
    return [*(columns[column] for column in order), TARGET], rows
