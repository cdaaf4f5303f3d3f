"""What a network's inputs are scaled by: statistics of the training split's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_ROWS_AT_ONCE = 256


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation, at least 1, of each channel of (N, H, W, C) uint8: exact, because from counts."""
    import numpy as np

    n_channels = images.shape[-1]
    counts = np.zeros((n_channels, 256), np.int64)
    # Some at a time: the whole split may be larger than memory.
    for start in range(0, len(images), _ROWS_AT_ONCE):
        rows = np.asarray(images[start : start + _ROWS_AT_ONCE])
        for channel in range(n_channels):
            counts[channel] += np.bincount(rows[..., channel].ravel(), minlength=256)
    shares = counts / counts.sum(axis=1, keepdims=True)
    means = shares @ np.arange(256)
    deviations = np.sqrt((shares * (np.arange(256) - means[:, None]) ** 2).sum(axis=1))
    # Grey or empty channels have no deviation to divide by.
    return means.tolist(), np.maximum(deviations, 1).tolist()
