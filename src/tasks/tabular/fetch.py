"""fetch: scikit-learn's breast cancer with useless columns added, or a CSV file pinned by its digest."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest, new_folder, write_json
from tasks.common.stage.params import PARAMS_FILE, StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

TABLE_FILE = "table.csv"
SOURCE_FILE = "source.json"


class CsvSource(StageParams):
    """`tabular.fetch.source` for a file of one's own."""

    path: Annotated[str, Field(min_length=1)]
    sha256: str | None = None
    """Not required here, so that the error for its absence can say what it should be."""
    target: Annotated[str, Field(min_length=1)]


def _kind_of_source(value: Any) -> str:
    return "<csv>" if isinstance(value, dict | CsvSource) else "<builtin>"


class Params(StageParams):
    """`tabular.fetch`."""

    source: Annotated[
        Annotated[Literal["builtin"], Tag("<builtin>")] | Annotated[CsvSource, Tag("<csv>")],
        Discriminator(_kind_of_source),
    ]
    noise_columns: Annotated[int, Field(ge=0, le=10_000)]
    duplicate_columns: Annotated[int, Field(ge=0, le=10_000)]
    seed: Annotated[int, Field(ge=0)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write table.csv, with a header, and source.json, which names the target column. Raises TaskError."""
    if isinstance(params.source, CsvSource):
        original = find_csv(paths, params.source)
        with new_folder(paths.raw) as folder:
            shutil.copyfile(original, folder / TABLE_FILE)
            # The file that was checked could have been changed while it was copied.
            _check_digest(folder / TABLE_FILE, paths.task, params.source)
            write_json(folder / SOURCE_FILE, {"name": params.source.path, "target": params.source.target})
        say(f"fetch {paths.task}: {params.source.path}")
        return
    columns, rows = _breast_cancer(params)
    with new_folder(paths.raw) as folder:
        with (folder / TABLE_FILE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        write_json(
            folder / SOURCE_FILE,
            {
                "name": "Breast Cancer Wisconsin (Diagnostic), as scikit-learn carries it, with columns added",
                "address": "https://archive.ics.uci.edu/dataset/17",
                "licence": "CC BY 4.0",
                "target": columns[-1],
            },
        )
    say(f"fetch {paths.task}: {len(rows)} rows of {len(columns) - 1} columns")


def find_csv(paths: TaskPaths, source: CsvSource) -> Path:
    """The file that `source` names, inside the repository and with the digest given. Raises TaskError."""
    key = f"{paths.task}.fetch.source.path"
    root = paths.root.resolve()
    path = (root / source.path).resolve()
    if not path.is_relative_to(root):
        raise TaskError(f'{PARAMS_FILE}: {key} is "{source.path}", outside of the repository; copy the file into it.')
    if not path.is_file():
        raise TaskError(
            f'{PARAMS_FILE}: {key} is "{source.path}", which is no file in the repository; '
            "add it, or fetch it with dvc pull if DVC tracks it."
        )
    _check_digest(path, paths.task, source)
    return path


def _check_digest(path: Path, task: str, source: CsvSource) -> None:
    digest = file_digest(path)
    if source.sha256 != digest:
        was = f'is "{source.sha256}"' if source.sha256 else "is missing"
        raise TaskError(
            f'{PARAMS_FILE}: {task}.fetch.source.sha256 {was}, which is not the digest of "{source.path}"; '
            f"if its content is the one you mean, set this line: sha256: {digest}"
        )


def _breast_cancer(params: Params) -> tuple[list[str], list[list[str]]]:
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
    return [*(columns[column] for column in order), "diagnosis"], rows
