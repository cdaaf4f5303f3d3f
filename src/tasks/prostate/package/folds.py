"""Which of the folds' models a package has, and its card."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Literal

from tasks.common.model.card import CARD_FILE, Card, write_card
from tasks.common.stage.errors import TaskError
from tasks.prostate.model.scoring import folds_of, model_file

Folds = Literal["best", "ensemble"]
MEASURES = ("loss", "dice", "iou")


def copy_folds(source: Path, card: Card, history: Path, folds: Folds, target: Path) -> None:
    """Copy the models in `source` to `target`, all of them or that of the best fold, with a card of just these.

    history: the folder `plots/metrics` of the training. Raises TaskError where it does not belong to the card.
    """
    if folds == "ensemble":
        for name in (*card.files, CARD_FILE):
            shutil.copyfile(source / name, target / name)
        return
    kept = {fold: kept_epoch(history, fold) for fold in folds_of(card)}
    # Of equal ones the first, as everywhere.
    best = max(kept, key=lambda fold: kept[fold][1]["dice"])
    epoch, validation = kept[best]
    name = model_file(best)
    shutil.copyfile(source / name, target / name)
    write_card(
        target,
        card.model_copy(update={"files": {name: card.files[name]}, "best_epoch": epoch, "validation": validation}),
    )


def kept_epoch(history: Path, fold: str) -> tuple[int, dict[str, float]]:
    """The epoch whose weights a fold kept, the first with the lowest loss, and what it measured on validation."""
    columns = {measure: _column(history / fold / "val" / f"{measure}.tsv", measure) for measure in MEASURES}
    epoch = columns["loss"].index(min(columns["loss"]))
    return epoch, {measure: values[epoch] for measure, values in columns.items()}


def _column(path: Path, name: str) -> list[float]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            values = [float(row[name]) for row in csv.DictReader(file, delimiter="\t")]
    except (OSError, KeyError, ValueError, TypeError):
        values = []
    if not values:
        raise TaskError(f"{path} has no history of the training; run the stage train again.")
    return values
