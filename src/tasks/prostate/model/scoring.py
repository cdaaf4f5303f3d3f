"""From slices to a mask, by one model or by the mean of several: the same for evaluate and infer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.model.card import Card
from tasks.common.model.device import Device, use_tensorflow
from tasks.common.model.keras_file import import_keras, load_keras
from tasks.common.stage.errors import TaskError
from tasks.prostate.model.architecture import network_input

if TYPE_CHECKING:
    import numpy as np

Scorer = Callable[["np.ndarray"], "np.ndarray"]

LABEL = "gland"
# The name of the model that is trained on the patients of all folds.
REFIT = "refit"


def model_file(name: str) -> str:
    """The file of a fold's model, or of the refit, in the model's folder."""
    return f"{name}.keras"


def folds_of(card: Card) -> list[str]:
    """The folds whose models the card describes, each of which has not seen the patients of its fold."""
    return [name.removesuffix(".keras") for name in card.files if name != model_file(REFIT)]


def answering(card: Card) -> list[str]:
    """The models whose mean is the answer for a new volume: the refit alone where there is one, else all folds'."""
    return [REFIT] if model_file(REFIT) in card.files else folds_of(card)


def load_scorers(
    folder: Path, card: Card, names: Sequence[str], device: Device, threads: int, batch_size: int
) -> dict[str, Scorer]:
    """For each model named, a function from slices (D, H, W) to the gland's probability (D, H, W) float32.

    Raises TaskError where a file is not of this task's model.
    """
    use_tensorflow(device, threads)
    return {name: _load_scorer(folder / model_file(name), card, batch_size) for name in names}


def mean_probabilities(scorers: Sequence[Scorer], slices: np.ndarray) -> np.ndarray:
    """The mean over the models: (D, H, W) to (D, H, W)."""
    import numpy as np

    return np.mean([score(slices) for score in scorers], axis=0)


def gland_mask(probabilities: np.ndarray, threshold: float, largest_component: bool) -> np.ndarray:
    """(D, H, W) booleans: above the threshold and, where asked for, in the largest part connected by voxels' faces."""
    import numpy as np
    from scipy.ndimage import label

    mask = probabilities > threshold
    parts, count = label(mask)
    if not largest_component or count < 2:
        return mask
    return parts == 1 + np.bincount(parts.ravel())[1:].argmax()


def _load_scorer(path: Path, card: Card, batch_size: int) -> Scorer:
    import numpy as np

    import_keras()
    model = load_keras(path)
    side = card.preprocessing.get("side_pixels")
    if model.input_shape != (None, side, side, 1) or model.output_shape != (None, side, side, 1):
        raise TaskError(f"{path} does not take slices as its card describes them; run the stage train again.")

    def score(slices: np.ndarray) -> np.ndarray:
        # Filled up to whole batches, because TensorFlow builds its graph anew for each size of a batch.
        filled = np.pad(slices, ((0, -len(slices) % batch_size), (0, 0), (0, 0)))
        starts = range(0, len(filled), batch_size)
        logits = [model.predict_on_batch(network_input(filled[start : start + batch_size])) for start in starts]
        probabilities: np.ndarray = 1 / (1 + np.exp(-np.concatenate(logits)[: len(slices), ..., 0]))
        return probabilities

    return score
