"""The card beside a model: everything that is needed to use it, and where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest, read_json, write_json

CARD_FILE = "card.json"
FORMAT_VERSION: Final = 1


class Card(BaseModel):
    """`models/<task>/card.json`. No clock and no machine in it: equal inputs write equal bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format_version: Literal[1] = FORMAT_VERSION
    task: str
    framework: str
    """`torch`, `tensorflow` or `scikit-learn`."""
    files: dict[str, str]
    """SHA-256 of each of the model's files by its name; one file, or one for each fold and for a refit."""
    labels: list[str]
    """Label of each column of the model's scores."""
    preprocessing: dict[str, Any]
    """What the model's inputs need, as fitted on the training split."""
    params: dict[str, Any]
    """The block `<task>.train` of params.yaml."""
    source: dict[str, Any]
    """What the data was, with its licence, and whether it was generated."""
    best_epoch: int
    """The epoch, from 0, whose weights were kept; of folds, the first one's."""
    validation: dict[str, float]
    """What that epoch measured on the validation split, of folds their mean; empty where nothing was held out."""
    stage_key: str | None
    """DVC's run-cache key of the stage that trained it; None outside a DVC repository and for values set by hand."""
    data_digest: str
    """SHA-256 of the manifest it was trained with."""


def write_card(folder: Path, card: Card) -> None:
    """Write `folder/card.json`."""
    write_json(folder / CARD_FILE, card.model_dump())


def read_card(folder: Path, task: str) -> Card:
    """The card of the model of `task` in `folder`, after a look at its files' digests. Raises TaskError."""
    path = folder / CARD_FILE
    content = read_json(path, "train")
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise TaskError(
            f"{path} has the format version {version}, but {FORMAT_VERSION} is needed; run the stage train."
        )
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise TaskError(f"{path} is not a model card ({where}); run the stage train again.") from None
    if card.task != task:
        raise TaskError(f'{path} is of the task "{card.task}", not "{task}"; run the stage train again.')
    for name, digest in card.files.items():
        model = folder / name
        if model.parent != folder or not model.is_file() or file_digest(model) != digest:
            raise TaskError(f"{model} is missing or is not the file that {path} describes; run the stage train again.")
    return card
