"""evaluate: the trained model, as its card describes it, on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.common.data.manifest import Example, read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.evaluation.metrics import log_loss, macro_f1
from tasks.common.evaluation.pictures import picture_grid, thumbnails, write_pictures
from tasks.common.evaluation.results import (
    check_scores,
    class_columns,
    label_numbers,
    majority_label,
    write_confusion,
    write_metrics,
    write_predictions,
)
from tasks.common.model.card import read_card
from tasks.common.model.device import Device
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.model.agreement import agreement
from tasks.retinopathy.model.scoring import Scores, load_score

if TYPE_CHECKING:
    import numpy as np


class Params(StageParams):
    """`retinopathy.evaluate`."""

    batch_size: Annotated[int, Field(ge=1)]
    pictures: Annotated[int, Field(ge=1, le=1000)]
    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet, confusion.csv, and a picture of the worst mistakes."""
    card = read_card(paths.model, paths.task)
    examples = read_manifest(paths.prepared)
    images = open_shard(paths.prepared, "photographs", "test")
    scores = load_score(paths.model, card, params.device, params.threads, params.batch_size)(images)
    labels = card.labels
    test = [example for example in examples if example.split == "test"]
    targets = label_numbers(paths, test, labels)
    check_scores(paths, scores.probabilities, (len(test), len(labels)))
    predicted = [labels[grade] for grade in scores.grades]
    columns = class_columns(test, predicted, scores.probabilities, labels)
    write_predictions(paths, columns | {"image": thumbnails(images)})
    write_confusion(paths, zip((example.label for example in test), predicted, strict=True))
    majority = labels.index(majority_label(examples, labels))
    write_metrics(
        paths,
        {
            **agreement(targets, scores.grades, len(labels)),
            "macro_f1": macro_f1(targets, scores.grades, len(labels)),
            "log_loss": log_loss(targets, scores.probabilities),
            "majority_baseline_accuracy": float((targets == majority).mean()),
            "examples": len(test),
        },
    )
    wrong = worst_mistakes(targets, scores, params.pictures)
    captions = [_caption(test[i], predicted[i], float(scores.probabilities[i, targets[i]])) for i in wrong]
    write_pictures(paths, {"mistakes": picture_grid([images[i] for i in wrong], captions)})


def worst_mistakes(targets: np.ndarray, scores: Scores, count: int) -> Sequence[int]:
    """At most `count` examples that are wrong: first those furthest off, then least sure."""
    import numpy as np

    distance = np.abs(targets - scores.grades)
    of_target = scores.probabilities[np.arange(len(targets)), targets]
    order = np.lexsort((of_target, -distance))
    return [int(index) for index in order[:count] if distance[index]]


def _caption(example: Example, predicted: str, of_target: float) -> str:
    return f"{example.label} graded {predicted}\n{of_target:.0%}  {example.id[:8]}"
