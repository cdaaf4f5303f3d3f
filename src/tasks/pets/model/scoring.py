"""From photographs in pixels to probabilities: what train prepares for and evaluate and infer share.

Shapes: N images, B images of a batch, S side of an image in pixels, K labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.common.model.card import Card
from tasks.common.model.device import Device, use_torch
from tasks.common.model.pixels import normalise
from tasks.common.model.torch_file import load_torch
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import numpy as np

    from tasks.pets.model.vit import Architecture

MODEL_FILE = "model.safetensors"

Scorer = Callable[["np.ndarray"], "np.ndarray"]


@dataclass(frozen=True)
class Preprocessing:
    """How a photograph becomes the model's input."""

    image_size: int
    """Pixels of each side."""
    fit: Literal["crop", "pad", "stretch"]
    """How a photograph is made square."""
    mean: tuple[float, float, float]
    """Of red, green and blue over the training split, from 0 to 255."""
    std: tuple[float, float, float]


def architecture_of(params: Mapping[str, Any], image_size: int) -> Architecture:
    """The network that the block `pets.train` describes, for images of this side. Raises KeyError and the like."""
    from tasks.pets.model.vit import Architecture

    return Architecture(
        image_size=image_size,
        patch_size=int(params["patch_size"]),
        width=int(params["width"]),
        depth=int(params["depth"]),
        heads=int(params["heads"]),
        mlp_ratio=int(params["mlp_ratio"]),
        dropout=float(params["dropout"]),
    )


def load_scorer(
    folder: Path, card: Card, device: Device, threads: int, batch_size: int
) -> tuple[Preprocessing, Scorer]:
    """What the model of `card` wants, and a function from (N, S, S, 3) uint8 to probabilities (N, K) of the labels.

    It scores `batch_size` images at once. Raises TaskError where the card or the file is not of this model.
    """
    import numpy as np
    import torch

    from tasks.pets.model.vit import VisionTransformer

    try:
        preprocessing = _preprocessing(card.preprocessing)
        architecture = architecture_of(card.params, preprocessing.image_size)
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(f"{folder}: the card is not of a pets model ({error}); run the stage train again.") from error
    chosen = use_torch(device, threads)
    model = VisionTransformer(architecture, len(card.labels))
    load_torch(model, folder / MODEL_FILE)
    model.to(chosen).eval()

    def probabilities(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits = model(torch.from_numpy(normalise(images, preprocessing.mean, preprocessing.std)).to(chosen))
            return torch.softmax(logits.double(), dim=1).cpu().numpy()

    def score(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), batch_size)
        return np.concatenate([probabilities(images[start : start + batch_size]) for start in starts])

    return preprocessing, score


def _preprocessing(content: dict[str, Any]) -> Preprocessing:
    red, green, blue = (float(value) for value in content["mean"])
    red_std, green_std, blue_std = (float(value) for value in content["std"])
    size, fit = int(content["image_size"]), content["fit"]
    if fit not in ("crop", "pad", "stretch"):
        raise ValueError(f"fit is {fit}")
    return Preprocessing(size, fit, (red, green, blue), (red_std, green_std, blue_std))
