"""package: the model as a service that takes rows of the columns that it was trained on."""

from __future__ import annotations

from tasks.common.data.manifest import read_manifest
from tasks.common.model.card import read_card
from tasks.common.packaging.build import Inputs, PackageParams, build_package
from tasks.common.packaging.mlmodel import Column
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.infer import ENDPOINT
from tasks.tabular.model.table import read_table


class Params(PackageParams):
    """`tabular.package`."""


def run(paths: TaskPaths, params: Params) -> None:
    """Write packages/tabular. Raises TaskError where there is no usable model."""
    build_package(paths, params, ENDPOINT, _inputs(paths, params.examples))


def _inputs(paths: TaskPaths, count: int) -> Inputs:
    """The model's columns, none of which need have a value, and the first rows of the test split."""
    import pandas as pd

    preprocessing = read_card(paths.model, paths.task).preprocessing
    names = preprocessing["columns"]
    columns = [
        Column(name, "double" if name in preprocessing["numeric"] else "string", required=False) for name in names
    ]
    is_test = [example.split == "test" for example in read_manifest(paths.prepared)]
    table = read_table(paths.prepared)[is_test][names].head(count)
    rows = [[None if pd.isna(value) else value for value in row] for row in table.itertuples(index=False, name=None)]
    return Inputs(columns, rows)
