"""A trained model as a function from pixels to probabilities, as its card describes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tasks.common.model.card import Card
from tasks.common.model.device import Device, use_tensorflow
from tasks.common.model.keras_file import import_keras, load_keras
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import keras
    import numpy as np

MODEL_FILE = "model.keras"


@dataclass(frozen=True)
class Scorer:
    """A model that is ready to score.

    Shapes: N posters, S pixels of a side, K labels.
    """

    score: Callable[[np.ndarray], np.ndarray]
    """(N, S, S, 3) uint8 to (N, K) float64 probabilities, in the card's order of labels."""
    thresholds: np.ndarray
    """(K,) from which on a genre is named."""
    side: int
    fit: Literal["crop", "stretch"]
    """How a picture is made square."""


def load_scorer(folder: Path, card: Card, batch_size: int, device: Device, threads: int) -> Scorer:
    """The model in `folder`. Raises TaskError where the card or the file is not of this model."""
    import numpy as np

    try:
        thresholds = np.array([float(card.preprocessing["thresholds"][label]) for label in card.labels])
        side, fit = int(card.preprocessing["image_size"]), card.preprocessing["fit"]
        if fit not in ("crop", "stretch"):
            raise ValueError(f"fit is {fit}")
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(
            f"{folder}: the card is not of a posters model ({error}); run the stage train again."
        ) from error
    import_keras()
    use_tensorflow(device, threads)
    path = folder / MODEL_FILE
    model = load_keras(path)
    if model.output_shape != (None, len(card.labels)) or model.input_shape != (None, side, side, 3):
        raise TaskError(f"{path} has not the inputs and outputs that its card says; run the stage train again.")
    return Scorer(lambda pixels: score_pixels(model, pixels, batch_size), thresholds, side, fit)


def score_pixels(model: keras.Model, pixels: np.ndarray, batch_size: int) -> np.ndarray:
    """(N, S, S, 3) uint8 to float64 probabilities (N, K), `batch_size` at once."""
    import numpy as np

    starts = range(0, len(pixels), batch_size)
    logits = [model.predict_on_batch(np.asarray(pixels[start : start + batch_size])) for start in starts]
    return 1 / (1 + np.exp(-np.concatenate(logits).astype(np.float64)))
