"""evaluate: the trained pipeline, as its card describes it, on the test split."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.data.manifest import read_manifest
from tasks.common.evaluation.predictions import write_results
from tasks.common.model.card import read_card
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.model import read_table, score


class Params(StageParams):
    """`tabular.evaluate`."""

    calibration_bins: Annotated[int, Field(ge=2, le=1000)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet and confusion.csv."""
    card = read_card(paths.model, paths.task)
    examples = read_manifest(paths.prepared)
    table = read_table(paths.prepared)
    test = table[[example.split == "test" for example in examples]]
    write_results(paths, examples, score(paths.model, card, test), card.labels, params.calibration_bins)
