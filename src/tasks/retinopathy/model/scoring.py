"""The trained model as a function, the same for evaluate and inference: equal images in equal batches, equal scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.model.card import Card
from tasks.common.model.device import Device, use_torch
from tasks.common.model.pixels import normalise
from tasks.common.model.torch_file import load_torch
from tasks.common.stage.errors import TaskError
from tasks.retinopathy.model.network import build
from tasks.retinopathy.model.ordinal import decide, probabilities

if TYPE_CHECKING:
    import numpy as np

MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class Scores:
    """What the model says of N photographs."""

    grades: np.ndarray
    """(N,) the grade decided for, as a place among the K labels."""
    probabilities: np.ndarray
    """(N, K) of each grade, rows of sum 1."""


Score = Callable[["np.ndarray"], Scores]


def load_score(folder: Path, card: Card, device: Device, threads: int, batch_size: int) -> Score:
    """A function from photographs (N, H, W, 3) uint8, framed as the card says, to their scores.

    Raises TaskError where the card or the file is not of this model.
    """
    import numpy as np
    import torch

    params, preprocessing = card.params, card.preprocessing
    try:
        mean, std = [float(m) for m in preprocessing["mean"]], [float(s) for s in preprocessing["std"]]
        name = params["model"]
        model = build(name, params["widths"][name], float(params["dropout"]), len(card.labels) - 1)
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(
            f"{folder}: the card is not of a retinopathy model ({error}); run the stage train again."
        ) from error
    chosen = use_torch(device, threads)
    load_torch(model, folder / MODEL_FILE)
    model.to(chosen).eval()

    def score(images: np.ndarray) -> Scores:
        logits = []
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                batch = torch.from_numpy(normalise(images[start : start + batch_size], mean, std))
                logits.append(model(batch.to(chosen)).cpu().numpy())
        together = np.concatenate(logits)  # (N, K - 1)
        return Scores(decide(together), probabilities(together))

    return score
