"""evaluate: the trained model, as its card describes it, on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tasks.common.data.label_sets import join_labels, labels_of, target_matrix
from tasks.common.data.manifest import Example, read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.evaluation.multilabel import confusion_pairs, multilabel_metrics
from tasks.common.evaluation.pictures import picture_grid, thumbnails, write_pictures
from tasks.common.evaluation.results import check_scores, write_confusion, write_metrics, write_predictions
from tasks.common.model.card import read_card
from tasks.common.model.device import Device
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.posters.model.scoring import load_scorer
from tasks.posters.model.thresholds import decide

if TYPE_CHECKING:
    import numpy as np


class Params(StageParams):
    """`posters.evaluate`."""

    batch_size: Annotated[int, Field(ge=1)]
    pictures: Annotated[int, Field(ge=1, le=1000)]
    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet, confusion.csv and pictures/mistakes.png."""
    card = read_card(paths.model, paths.task)
    test = [example for example in read_manifest(paths.prepared) if example.split == "test"]
    pixels = open_shard(paths.prepared, "images", "test")
    for label in {label for example in test for label in labels_of(example)} - set(card.labels):
        raise TaskError(f'{paths.prepared}: the model does not know the genre "{label}"; run the stage train again.')
    targets = target_matrix(test, card.labels) > 0
    scorer = load_scorer(paths.model, card, params.batch_size, params.device, params.threads)
    scores = scorer.score(pixels)
    check_scores(paths, scores, targets.shape)
    predictions = decide(scores, scorer.thresholds)
    named = [
        join_labels(label for label, is_named in zip(card.labels, row, strict=True) if is_named) for row in predictions
    ]

    columns: dict[str, Sequence[Any]] = {
        "id": [example.id for example in test],
        "target": [example.label for example in test],
        "prediction": named,
        "group": [example.group for example in test],
    }
    columns |= {f"score:{label}": scores[:, number].tolist() for number, label in enumerate(card.labels)}
    columns["image"] = thumbnails(pixels)
    write_predictions(paths, columns)
    write_confusion(paths, confusion_pairs(targets, predictions, card.labels))
    worst = (targets != predictions).sum(axis=1).argsort(kind="stable")[::-1][: params.pictures]
    write_pictures(paths, {"mistakes": _picture(pixels, test, named, worst)})
    write_metrics(paths, multilabel_metrics(targets, scores, predictions, card.labels))


def _picture(pixels: np.ndarray, test: Sequence[Example], named: Sequence[str], chosen: np.ndarray) -> Any:
    """The chosen posters, each with its genres and those it was given."""
    captions = [f"is {_words(test[index].label)}\nnamed {_words(named[index])}" for index in chosen]
    return picture_grid([pixels[index] for index in chosen], captions)


def _words(joined: str) -> str:
    return joined.replace("|", ", ") or "nothing"
