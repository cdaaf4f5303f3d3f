"""The evaluation of a model that gives each image one label: results, and the most confident mistakes as a picture.

Shapes: N test images, K labels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.evaluation.pictures import picture_grid, thumbnails, worst_mistakes, write_pictures
from tasks.common.evaluation.results import label_numbers, write_classification
from tasks.common.model.card import Card
from tasks.common.model.device import Device
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths

if TYPE_CHECKING:
    import numpy as np


class ImageClassifierParams(StageParams):
    """`<task>.evaluate` of such a task."""

    batch_size: Annotated[int, Field(ge=1)]
    calibration_bins: Annotated[int, Field(ge=2, le=1000)]
    pictures: Annotated[int, Field(ge=1, le=1000)]
    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]


def evaluate_images(
    paths: TaskPaths,
    params: ImageClassifierParams,
    card: Card,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    brighten: int = 1,
) -> None:
    """Write metrics.json, predictions.parquet, confusion.csv, and a picture of the most confident mistakes.

    `score` takes the test shard, (N, H, W) or (N, H, W, 3) uint8, and gives probabilities (N, K) of the card's labels;
    `brighten` is the factor that makes the pixels span 0 to 255 in the picture. Raises TaskError as
    `write_classification` does.
    """
    examples = read_manifest(paths.prepared)
    images = open_shard(paths.prepared, "images", "test")
    scores = score(images)
    small = thumbnails(images, brighten=brighten)
    write_classification(paths, examples, scores, card.labels, params.calibration_bins, images=small)

    test = [example for example in examples if example.split == "test"]
    targets = label_numbers(paths, test, card.labels)
    wrong = [i for i in worst_mistakes(targets, scores, params.pictures) if scores[i].argmax() != targets[i]]
    captions = [
        f"{test[i].label}, not {card.labels[scores[i].argmax()]}\n{scores[i].max():.0%}  {test[i].id[:8]}"
        for i in wrong
    ]
    write_pictures(paths, {"mistakes": picture_grid([images[i] * brighten for i in wrong], captions)})
