"""evaluate: the trained model, as its card describes it, on the test split."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.data.manifest import read_manifest
from tasks.common.evaluation.predictions import write_results
from tasks.common.model.card import read_card
from tasks.common.model.device import Device
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.digits.model import load_scorer


class Params(StageParams):
    """`digits.evaluate`."""

    batch_size: Annotated[int, Field(ge=1)]
    calibration_bins: Annotated[int, Field(ge=2, le=1000)]
    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet and confusion.csv."""
    import numpy as np

    card = read_card(paths.model, paths.task)
    examples = read_manifest(paths.prepared)
    images = np.load(paths.prepared / "images.npy", allow_pickle=False)
    test = images[[example.split == "test" for example in examples]]
    score = load_scorer(paths.model, card, params.device, params.threads)
    starts = range(0, len(test), params.batch_size)
    scores = np.concatenate([score(test[start : start + params.batch_size]) for start in starts])
    write_results(paths, examples, scores, card.labels, params.calibration_bins)
