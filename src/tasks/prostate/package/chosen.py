"""Which of the models a package has, and what is known of how good they are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

from tasks.common.model.card import Card
from tasks.common.stage.errors import TaskError
from tasks.prostate.model.scoring import REFIT, answering, folds_of, model_file

Folds = Literal["best", "ensemble"]
MEASURES = ("loss", "dice", "iou")


def choose(card: Card, history: Path, folds: Folds) -> Card:
    """The card of the models that answer: of the refit where there is one, else of the best fold or of all.

    card: of all that were trained. history: the folder `plots/metrics` of the training.
    Raises TaskError where that does not belong to the card.
    """
    if answering(card) == [REFIT]:
        epochs = _column(history / REFIT / "train" / "loss.tsv", "loss")
        # It ends with its last epoch, and nothing was held out to measure that on.
        return _only(card, REFIT, len(epochs) - 1, {})
    if folds == "ensemble":
        return card
    kept = {fold: kept_epoch(history, fold) for fold in folds_of(card)}
    # Of equal ones the first, as everywhere.
    best = max(kept, key=lambda fold: kept[fold][1]["dice"])
    return _only(card, best, *kept[best])


def scores_of(card: Card) -> str:
    """What the scores that evaluate wrote are of, for a package with the models of `card`: never of all of it."""
    tested = "cross-validation: of the models of all folds, each on the patients of its fold, which it has never seen"
    models = answering(card)
    if models == [REFIT]:
        return f"{tested}; this model was trained on the patients of all folds, and has no held-out test of its own"
    if len(models) == 1:
        return f"{tested}; this model is the one of {models[0]}, and only dice_{models[0].replace('-', '_')} is its own"
    return f"{tested}; this model is the mean of them, and has no held-out test of its own"


def kept_epoch(history: Path, fold: str) -> tuple[int, dict[str, float]]:
    """The epoch whose weights a fold kept, the first with the lowest loss, and what it measured on validation."""
    columns = {measure: _column(history / fold / "val" / f"{measure}.tsv", measure) for measure in MEASURES}
    epoch = columns["loss"].index(min(columns["loss"]))
    return epoch, {measure: values[epoch] for measure, values in columns.items()}


def _only(card: Card, name: str, epoch: int, validation: dict[str, float]) -> Card:
    file = model_file(name)
    return card.model_copy(update={"files": {file: card.files[file]}, "best_epoch": epoch, "validation": validation})


def _column(path: Path, name: str) -> list[float]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            values = [float(row[name]) for row in csv.DictReader(file, delimiter="\t")]
    except (OSError, KeyError, ValueError, TypeError):
        values = []
    if not values:
        raise TaskError(f"{path} has no history of the training; run the stage train again.")
    return values
