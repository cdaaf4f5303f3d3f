"""evaluate: the trained pipeline, as its card describes it, on the test split."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.data.manifest import read_manifest
from tasks.common.evaluation.pictures import write_pictures
from tasks.common.evaluation.reliability import reliability_picture
from tasks.common.evaluation.results import label_numbers, write_classification
from tasks.common.model.card import read_card
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.model.pipeline import score
from tasks.tabular.model.table import read_table


class Params(StageParams):
    """`tabular.evaluate`."""

    calibration_bins: Annotated[int, Field(ge=2, le=1000)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet, confusion.csv, and a picture of how far confidences can be trusted."""
    card = read_card(paths.model, paths.task)
    examples = read_manifest(paths.prepared)
    test = [example.split == "test" for example in examples]
    scores = score(paths.model, card, read_table(paths.prepared)[test])
    write_classification(paths, examples, scores, card.labels, params.calibration_bins)
    targets = label_numbers(paths, [example for example in examples if example.split == "test"], card.labels)
    write_pictures(paths, {"reliability": reliability_picture(targets, scores, params.calibration_bins)})
