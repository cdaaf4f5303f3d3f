"""evaluate: the trained model, as its card describes it, on the test split."""

from __future__ import annotations

from tasks.common.evaluation.images import ImageClassifierParams, evaluate_images
from tasks.common.model.card import read_card
from tasks.common.stage.paths import TaskPaths
from tasks.pets.model.scoring import load_scorer


class Params(ImageClassifierParams):
    """`pets.evaluate`."""


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet, confusion.csv, and a picture of the most confident mistakes."""
    card = read_card(paths.model, paths.task)
    _, score = load_scorer(paths.model, card, params.device, params.threads, params.batch_size)
    evaluate_images(paths, params, card, score)
