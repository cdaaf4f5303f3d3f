"""Pictures of a volume with the outlines of the gland and of what the model takes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TRUTH = (64, 220, 96)
PREDICTION = (255, 64, 200)
BOTH = (255, 255, 255)
ENLARGED = 3


def overlay(image: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """A slice (H, W) with both outlines, enlarged: (3 H, 3 W, 3) uint8."""
    import numpy as np

    pixels = np.repeat(_enlarge(_bytes(image))[..., None], 3, axis=2)
    of_truth, of_prediction = _outline(_enlarge(actual > 0)), _outline(_enlarge(predicted > 0))
    for outline, colour in ((of_truth, TRUTH), (of_prediction, PREDICTION), (of_truth & of_prediction, BOTH)):
        pixels[outline] = colour
    return pixels


def spread_slices(actual: np.ndarray, predicted: np.ndarray, count: int) -> list[int]:
    """Up to `count` slices from the first to the last in which either mask (D, H, W) has anything, evenly spread."""
    import numpy as np

    shown = np.flatnonzero(((actual > 0) | (predicted > 0)).any(axis=(1, 2)))
    if not len(shown):
        shown = np.arange(len(actual))
    places = np.linspace(shown[0], shown[-1], min(count, shown[-1] - shown[0] + 1))
    return [int(place) for place in np.unique(np.round(places))]


def _bytes(image: np.ndarray) -> np.ndarray:
    import numpy as np

    return image if image.dtype == np.uint8 else np.clip(128 + 64 * image, 0, 255).astype(np.uint8)


def _enlarge(image: np.ndarray) -> np.ndarray:
    return image.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def _outline(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    return mask & ~binary_erosion(mask)
