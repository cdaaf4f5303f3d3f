"""Colour images as a PyTorch network takes them, the same in training and in every use of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def normalise(images: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32, of mean 0 and deviation 1 in each channel of the training split.

    mean, std: of red, green and blue, on the scale from 0 to 255.
    """
    import numpy as np

    scaled = (images - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
