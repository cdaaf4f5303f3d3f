"""The network, the same in both frameworks, its input, and its files.

Shapes: B examples, K labels, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.model.card import Card
from tasks.common.model.device import Device, use_tensorflow, use_torch
from tasks.common.model.keras_file import import_keras, load_keras
from tasks.common.model.torch_file import load_torch
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import keras
    import numpy as np
    from torch import nn

MODEL_FILES = {"torch": "model.safetensors", "tensorflow": "model.keras"}
SIDE = 8
BRIGHTEST = 16

Scorer = Callable[["np.ndarray"], "np.ndarray"]


@dataclass(frozen=True)
class Architecture:
    """Two 3 x 3 convolutions, a pooling by 2, one hidden layer."""

    channels: Sequence[int]
    """Of the first and the second convolution."""
    hidden_units: int
    dropout: float
    """Share of the activations that is dropped before each dense layer while training."""


def normalise(images: np.ndarray, mean: float, std: float) -> np.ndarray:
    """(B, 8, 8) pixels from 0 to 16 to float32 of mean 0 and deviation 1 over the training split."""
    import numpy as np

    return ((images - np.float32(mean)) / np.float32(std)).astype(np.float32)


def channels_first(images: np.ndarray) -> np.ndarray:
    """(B, 8, 8) to PyTorch's (B, 1, 8, 8)."""
    return images[:, None]


def channels_last(images: np.ndarray) -> np.ndarray:
    """(B, 8, 8) to Keras' (B, 8, 8, 1)."""
    return images[..., None]


def build_torch(architecture: Architecture, n_labels: int) -> nn.Module:
    """(B, 1, 8, 8) to logits (B, K)."""
    from torch import nn

    first, second = architecture.channels
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1),  # (B, C1, 8, 8)
        nn.ReLU(),
        nn.Conv2d(first, second, 3, padding=1),  # (B, C2, 8, 8)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (B, C2, 4, 4)
        nn.Flatten(),  # (B, C2 * 16)
        nn.Dropout(architecture.dropout),
        nn.Linear(second * (SIDE // 2) ** 2, architecture.hidden_units),
        nn.ReLU(),
        nn.Dropout(architecture.dropout),
        nn.Linear(architecture.hidden_units, n_labels),  # (B, K)
    )


def build_keras(architecture: Architecture, n_labels: int) -> keras.Model:
    """(B, 8, 8, 1) to logits (B, K)."""
    keras = import_keras()
    layers = keras.layers
    first, second = architecture.channels
    # Named, because Keras numbers nameless layers through the whole process, and the names are in the file.
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1), name="images"),
            layers.Conv2D(first, 3, padding="same", activation="relu", name="conv_1"),  # (B, 8, 8, C1)
            layers.Conv2D(second, 3, padding="same", activation="relu", name="conv_2"),  # (B, 8, 8, C2)
            layers.MaxPooling2D(2, name="pool"),  # (B, 4, 4, C2)
            layers.Flatten(name="flatten"),  # (B, 16 * C2)
            layers.Dropout(architecture.dropout, name="dropout_1"),
            layers.Dense(architecture.hidden_units, activation="relu", name="hidden"),
            layers.Dropout(architecture.dropout, name="dropout_2"),
            layers.Dense(n_labels, name="logits"),  # (B, K)
        ],
        name="digits",
    )


def load_scorer(folder: Path, card: Card, device: Device, threads: int, batch_size: int) -> Scorer:
    """A function from raw images (N, 8, 8) to probabilities (N, K), in the card's order of labels.

    It scores `batch_size` images at once. Raises TaskError where the card or the file is not of this model.
    """
    import numpy as np

    try:
        mean, std = float(card.preprocessing["mean"]), float(card.preprocessing["std"])
        architecture = Architecture(
            [int(count) for count in card.params["channels"]],
            int(card.params["hidden_units"]),
            float(card.params["dropout"]),
        )
        path = folder / MODEL_FILES[card.framework]
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(f"{folder}: the card is not of a digits model ({error}); run the stage train again.") from error
    logits = (_torch_logits if card.framework == "torch" else _keras_logits)(path, architecture, card, device, threads)

    def score(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), batch_size)
        return np.concatenate([softmax(logits(normalise(images[i : i + batch_size], mean, std))) for i in starts])

    return score


def softmax(logits: np.ndarray) -> np.ndarray:
    """(B, K) logits to float64 probabilities."""
    import numpy as np

    logits = logits.astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _torch_logits(path: Path, architecture: Architecture, card: Card, device: Device, threads: int) -> Scorer:
    import torch

    chosen = use_torch(device, threads)
    model = build_torch(architecture, len(card.labels))
    load_torch(model, path)
    model.to(chosen).eval()

    def logits(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(channels_first(images)).to(chosen)).cpu().numpy()

    return logits


def _keras_logits(path: Path, architecture: Architecture, card: Card, device: Device, threads: int) -> Scorer:
    import_keras()
    use_tensorflow(device, threads)
    model = load_keras(path)
    if model.output_shape != (None, len(card.labels)):
        raise TaskError(f"{path} has not one output for each label of its card; run the stage train again.")
    return lambda images: model.predict_on_batch(channels_last(images))
