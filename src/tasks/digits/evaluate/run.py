"""evaluate: the trained model, as its card describes it, on the test split."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.evaluation.pictures import picture_grid, worst_mistakes, write_pictures
from tasks.common.evaluation.results import label_numbers, write_classification
from tasks.common.model.card import read_card
from tasks.common.model.device import Device
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.digits.model.network import BRIGHTEST, load_scorer


class Params(StageParams):
    """`digits.evaluate`."""

    batch_size: Annotated[int, Field(ge=1)]
    calibration_bins: Annotated[int, Field(ge=2, le=1000)]
    pictures: Annotated[int, Field(ge=1, le=1000)]
    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet, confusion.csv, and a picture of the most confident mistakes."""
    card = read_card(paths.model, paths.task)
    examples = read_manifest(paths.prepared)
    images = open_shard(paths.prepared, "images", "test")
    score = load_scorer(paths.model, card, params.device, params.threads, params.batch_size)
    scores = score(images)
    write_classification(paths, examples, scores, card.labels, params.calibration_bins)

    test = [example for example in examples if example.split == "test"]
    targets = label_numbers(paths, test, card.labels)
    wrong = [i for i in worst_mistakes(targets, scores, params.pictures) if scores[i].argmax() != targets[i]]
    captions = [
        f"{test[i].label} read as {card.labels[scores[i].argmax()]}\n{scores[i].max():.0%}  {test[i].id[:8]}"
        for i in wrong
    ]
    pixels = [images[i] * (255 // BRIGHTEST) for i in wrong]
    write_pictures(paths, {"mistakes": picture_grid(pixels, captions)})
